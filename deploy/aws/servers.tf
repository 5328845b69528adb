# Kafka, Postgres, the folder of uploads: private, encrypted at rest and on the way.

resource "aws_kms_key" "this" {
  description             = "Everything of ${var.name} that is kept"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

data "aws_caller_identity" "this" {}

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:the policy of a key is about that key alone
  # checkov:skip=CKV_AWS_111:the policy of a key is about that key alone
  # checkov:skip=CKV_AWS_356:the policy of a key is about that key alone
  statement {
    sid       = "TheAccountAdministersItsKey"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.this.account_id}:root"]
    }
  }
  statement {
    sid       = "LogsAreEncryptedWithIt"
    actions   = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:aws:logs:${var.region}:${data.aws_caller_identity.this.account_id}:log-group:/${var.name}/*"]
    }
  }
  statement {
    sid       = "AlarmsAreTold"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:aws:cloudwatch:${var.region}:${data.aws_caller_identity.this.account_id}:alarm:${var.name}-*"]
    }
  }
}

# --- Kafka ------------------------------------------------------------------------------------------------------------

resource "aws_msk_configuration" "this" {
  name           = var.name
  kafka_versions = [var.kafka.version]
  # Topics are made on purpose, with their settings. A record that two brokers have is not lost with one.
  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    default.replication.factor=3
    min.insync.replicas=2
    message.max.bytes=10485760
    replica.fetch.max.bytes=10485760
  PROPERTIES
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka.version
  number_of_broker_nodes = length(var.zones)

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }
  broker_node_group_info {
    instance_type   = var.kafka.instance
    client_subnets  = values(aws_subnet.private)[*].id
    security_groups = [aws_security_group.kafka.id]
    storage_info {
      ebs_storage_info { volume_size = var.kafka.gigabytes }
    }
  }
  client_authentication {
    sasl { scram = true }
  }
  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.this.arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }
  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.kafka.name
      }
    }
  }
}

resource "aws_msk_scram_secret_association" "this" {
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = [aws_secretsmanager_secret.kafka.arn]
  depends_on      = [aws_secretsmanager_secret_version.kafka]
}

# --- Postgres ---------------------------------------------------------------------------------------------------------

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = values(aws_subnet.private)[*].id
}

resource "aws_db_parameter_group" "this" {
  name   = "${var.name}-17"
  family = "postgres17"
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  parameter {
    name  = "log_min_duration_statement"
    value = "1000"
  }
}

resource "aws_db_instance" "this" {
  identifier                          = var.name
  engine                              = "postgres"
  engine_version                      = "17"
  instance_class                      = var.postgres.instance
  allocated_storage                   = var.postgres.gigabytes
  max_allocated_storage               = var.postgres.most_gigabytes
  storage_type                        = "gp3"
  storage_encrypted                   = true
  kms_key_id                          = aws_kms_key.this.arn
  db_name                             = "fandom"
  username                            = "fandom"
  password                            = random_password.postgres.result
  parameter_group_name                = aws_db_parameter_group.this.name
  db_subnet_group_name                = aws_db_subnet_group.this.name
  vpc_security_group_ids              = [aws_security_group.postgres.id]
  publicly_accessible                 = false
  multi_az                            = true
  backup_retention_period             = 14
  copy_tags_to_snapshot               = true
  deletion_protection                 = true
  final_snapshot_identifier           = "${var.name}-last"
  auto_minor_version_upgrade          = true
  iam_database_authentication_enabled = true
  performance_insights_enabled        = true
  performance_insights_kms_key_id     = aws_kms_key.this.arn
  monitoring_interval                 = 60
  monitoring_role_arn                 = aws_iam_role.database_monitoring.arn
  enabled_cloudwatch_logs_exports     = ["postgresql", "upgrade"]
}

# --- uploads ----------------------------------------------------------------------------------------------------------

resource "aws_efs_file_system" "uploads" {
  creation_token = "${var.name}-uploads"
  encrypted      = true
  kms_key_id     = aws_kms_key.this.arn
  tags           = { Name = "${var.name}-uploads" }
}

resource "aws_efs_backup_policy" "uploads" {
  file_system_id = aws_efs_file_system.uploads.id
  backup_policy { status = "ENABLED" }
}

resource "aws_efs_mount_target" "uploads" {
  for_each        = aws_subnet.private
  file_system_id  = aws_efs_file_system.uploads.id
  subnet_id       = each.value.id
  security_groups = [aws_security_group.uploads.id]
}

# Without a policy whoever reaches the folder over the network may mount it. With one only those may whose role says so (roles.tf).
resource "aws_efs_file_system_policy" "uploads" {
  file_system_id = aws_efs_file_system.uploads.id
  policy         = data.aws_iam_policy_document.uploads.json
}

data "aws_iam_policy_document" "uploads" {
  statement {
    sid       = "NothingTravelsUnencrypted"
    effect    = "Deny"
    actions   = ["elasticfilesystem:Client*"]
    resources = [aws_efs_file_system.uploads.arn]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_efs_access_point" "uploads" {
  file_system_id = aws_efs_file_system.uploads.id
  posix_user {
    uid = 10001
    gid = 10001
  }
  root_directory {
    path = "/uploads"
    creation_info {
      owner_uid   = 10001
      owner_gid   = 10001
      permissions = "0700"
    }
  }
}
