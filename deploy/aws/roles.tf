# Who may do what. What starts a task reads that task's secrets and no others; the tasks themselves may reach their uploads, where they
# have to do with them, and nothing else.

locals {
  # The secrets of each task, whole: what it is given (parts.tf) names one member of some, as in arn:aws:secretsmanager:…:secret:NAME:MEMBER::.
  readable = {
    for task, given in local.given : task => distinct(concat(
      [for place in values(given) : join(":", slice(split(":", place), 0, 7))],
      task == "connectors" ? [local.secrets.drive] : [],
    ))
  }
  keepers = { for part, it in local.parts : part => it.uploads if it.uploads != "none" }
}

data "aws_iam_policy_document" "assume" {
  for_each = { tasks = "ecs-tasks.amazonaws.com", flow_log = "vpc-flow-logs.amazonaws.com", monitoring = "monitoring.rds.amazonaws.com" }
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [each.value]
    }
    # Nobody else's tasks, logs or databases.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

# --- what a task itself may: the API keeps uploads, the connectors read them ------------------------------------------

resource "aws_iam_role" "task" {
  for_each           = local.keepers
  name               = "${var.name}-task-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume["tasks"].json
}

data "aws_iam_policy_document" "task" {
  for_each = local.keepers
  statement {
    actions   = concat(["elasticfilesystem:ClientMount"], each.value == "writes" ? ["elasticfilesystem:ClientWrite"] : [])
    resources = [aws_efs_file_system.uploads.arn]
    condition {
      test     = "StringEquals"
      variable = "elasticfilesystem:AccessPointArn"
      values   = [aws_efs_access_point.uploads.arn]
    }
  }
}

resource "aws_iam_role_policy" "task" {
  for_each = local.keepers
  role     = aws_iam_role.task[each.key].id
  policy   = data.aws_iam_policy_document.task[each.key].json
}

# --- what starts a task: fetches the image and the task's secrets, writes its log -------------------------------------

resource "aws_iam_role" "execution" {
  for_each           = local.given
  name               = "${var.name}-execution-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.assume["tasks"].json
}

data "aws_iam_policy_document" "execution" {
  for_each = local.given
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.readable[each.key]
  }
  statement {
    # To open these secrets, and nothing else that is encrypted with the key.
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.this.arn]
    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${var.region}.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:SecretARN"
      values   = local.readable[each.key]
    }
  }
  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
    resources = [var.image_repository_arn]
  }
  statement {
    # Asked of the registry as a whole.
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.part[each.key].arn}:*"]
  }
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.given
  role     = aws_iam_role.execution[each.key].id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}

# --- what AWS does for the suite --------------------------------------------------------------------------------------

resource "aws_iam_role" "flow_log" {
  name               = "${var.name}-flow-log"
  assume_role_policy = data.aws_iam_policy_document.assume["flow_log"].json
}

data "aws_iam_policy_document" "flow_log" {
  statement {
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    resources = ["${aws_cloudwatch_log_group.network.arn}:*"]
  }
}

resource "aws_iam_role_policy" "flow_log" {
  role   = aws_iam_role.flow_log.id
  policy = data.aws_iam_policy_document.flow_log.json
}

resource "aws_iam_role" "database_monitoring" {
  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.assume["monitoring"].json
}

resource "aws_iam_role_policy_attachment" "database_monitoring" {
  role       = aws_iam_role.database_monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
