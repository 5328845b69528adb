# The parts on Fargate. Each is the same image with another argument; all run as the user 10001 on a file system that cannot be written.

resource "aws_ecs_cluster" "this" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

locals {
  # What every part is told.
  settings = merge(
    {
      FANDOM_REPORTING_TZ = var.reporting_tz
      FANDOM_METRICS_PORT = "9464"
    },
    var.otlp == null ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT = var.otlp.endpoint },
  )
  # Where Kafka is, and who asks: of those that read or write the log, which the API does not.
  broker = {
    KAFKA_BOOTSTRAP_SERVERS        = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
    FANDOM_KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
    FANDOM_KAFKA_SASL_MECHANISMS   = "SCRAM-SHA-512"
    FANDOM_KAFKA_SSL_CA_LOCATION   = "/etc/ssl/certs/ca-certificates.crt"
    FANDOM_KAFKA_REPLICATION       = "3"
  }
  login = {
    FANDOM_KAFKA_SASL_USERNAME = local.secrets.kafka_username
    FANDOM_KAFKA_SASL_PASSWORD = local.secrets.kafka_password
  }
  uploads = "/var/lib/fandom/uploads"
  # Of each part: its argument, its size, settings and secrets of its own, whether it uses the log, what it does with uploads, how many
  # of it run, and whether a new one may be started before the old one has ended.
  parts = {
    api = {
      command = ["api"], health = "api", cpu = 512, memory = 1024, count = var.api.fewest, overlaps = true, log = false, uploads = "writes"
      settings = merge(
        {
          FANDOM_PORT        = "8080"
          FANDOM_API_HOSTS   = var.domain
          FANDOM_API_URL     = "https://${var.domain}"
          FANDOM_UPLOADS_DIR = local.uploads
          # The balancer stands in these; what it says of who asks, and that they asked over TLS, is believed.
          FANDOM_API_PROXIES = join(",", values(aws_subnet.public)[*].cidr_block)
        },
        var.smtp == null ? {} : { FANDOM_SMTP_FROM = var.smtp.from },
      )
      secrets = merge(
        { FANDOM_ARCHIVE_KEY = local.secrets.archive_key, FANDOM_SECRETS_KEY = local.secrets.secrets_key },
        var.smtp == null ? {} : { FANDOM_SMTP_URL = var.smtp.url_secret_arn },
      )
    }
    connectors = {
      command = ["connect"], health = "connect", cpu = 1024, memory = 4096, count = 1, overlaps = false, log = true, uploads = "reads"
      settings = {
        FANDOM_DRIVE_FOLDERS     = var.drive_folders
        FANDOM_DRIVE_CREDENTIALS = "/run/drive/key.json"
        FANDOM_DRIVE_DOWNLOADS   = "/tmp"
        FANDOM_INBOX             = "/var/lib/fandom/inbox"
        FANDOM_UPLOADS_DIR       = local.uploads
      }
      secrets = {}
    }
    dataflow = {
      command  = ["dataflow"], health = "dataflow", cpu = var.dataflow.cpu, memory = var.dataflow.memory, count = 1, overlaps = false, log = true, uploads = "none"
      settings = { FANDOM_WORKERS = tostring(var.dataflow.workers) }
      secrets  = {}
    }
    archive = {
      command  = ["archive"], health = "archive", cpu = 256, memory = 1024, count = 1, overlaps = false, log = true, uploads = "none"
      settings = {}
      secrets  = { FANDOM_ARCHIVE_KEY = local.secrets.archive_key }
    }
  }
  # Run once before each start of a new version (README.md).
  once = { migrate = ["migrate"], topics = ["topics"] }
  # The owner of the database migrates, and makes the accounts of the parts.
  owner = {
    DATABASE_URL                        = local.secrets.database_url
    FANDOM_CONNECTORS_DATABASE_PASSWORD = "${local.secrets.accounts["connectors"]}:password::"
    FANDOM_DATAFLOW_DATABASE_PASSWORD   = "${local.secrets.accounts["dataflow"]}:password::"
    FANDOM_ARCHIVE_DATABASE_PASSWORD    = "${local.secrets.accounts["archive"]}:password::"
    FANDOM_API_DATABASE_PASSWORD        = "${local.secrets.accounts["api"]}:password::"
  }
  # What each task is given of the secrets, and no other may read (roles.tf).
  given = merge(
    { for part, it in local.parts : part => merge(it.log ? local.login : {}, { DATABASE_URL = "${local.secrets.accounts[part]}:url::" }, it.secrets) },
    { migrate = local.owner, topics = local.login },
  )
}

resource "aws_ecs_task_definition" "part" {
  for_each                 = local.parts
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = each.value.uploads == "none" ? null : aws_iam_role.task[each.key].arn

  dynamic "volume" {
    for_each = each.key == "connectors" ? ["drive", "tmp"] : []
    content { name = volume.value }
  }
  dynamic "volume" {
    for_each = each.value.uploads == "none" ? [] : ["uploads"]
    content {
      name = volume.value
      efs_volume_configuration {
        file_system_id     = aws_efs_file_system.uploads.id
        transit_encryption = "ENABLED"
        authorization_config {
          access_point_id = aws_efs_access_point.uploads.id
          iam             = "ENABLED"
        }
      }
    }
  }

  container_definitions = jsonencode(concat(
    # The key of Google Drive is a file, and secrets come as variables: a container before the part writes one into the other. Workbooks are
    # downloaded to /tmp, which is the part's own.
    each.key != "connectors" ? [] : [{
      name                   = "drive-key"
      image                  = var.image
      essential              = false
      user                   = "0"
      readonlyRootFilesystem = true
      entryPoint             = ["/bin/sh", "-c", "printf %s \"$CREDENTIALS\" > /run/drive/key.json && chmod 1777 /tmp"]
      command                = []
      secrets                = [{ name = "CREDENTIALS", valueFrom = local.secrets.drive }]
      mountPoints            = [{ sourceVolume = "drive", containerPath = "/run/drive" }, { sourceVolume = "tmp", containerPath = "/tmp" }]
      logConfiguration       = local.logs["connectors"]
    }],
    [{
      name                   = each.key
      image                  = var.image
      essential              = true
      command                = each.value.command
      readonlyRootFilesystem = true
      stopTimeout            = 30
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
      environment            = [for name, value in merge(local.settings, each.value.log ? local.broker : {}, each.value.settings) : { name = name, value = value }]
      secrets                = [for name, arn in local.given[each.key] : { name = name, valueFrom = arn }]
      portMappings           = each.key == "api" ? [{ containerPort = 8080 }] : []
      dependsOn              = each.key == "connectors" ? [{ containerName = "drive-key", condition = "SUCCESS" }] : []
      mountPoints = concat(
        each.key != "connectors" ? [] : [
          { sourceVolume = "drive", containerPath = "/run/drive", readOnly = true },
          { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
        ],
        each.value.uploads == "none" ? [] : [{ sourceVolume = "uploads", containerPath = local.uploads, readOnly = each.value.uploads == "reads" }],
      )
      healthCheck = {
        command     = ["CMD", "fandom", "health", each.value.health]
        interval    = 15
        timeout     = 5
        retries     = 4
        startPeriod = 120
      }
      logConfiguration = local.logs[each.key]
    }],
  ))
}

resource "aws_ecs_task_definition" "once" {
  for_each                 = local.once
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution[each.key].arn

  container_definitions = jsonencode([{
    name                   = each.key
    image                  = var.image
    essential              = true
    command                = each.value
    readonlyRootFilesystem = true
    environment            = [for name, value in merge(local.settings, each.key == "topics" ? local.broker : {}) : { name = name, value = value }]
    secrets                = [for name, arn in local.given[each.key] : { name = name, valueFrom = arn }]
    logConfiguration       = local.logs[each.key]
  }])
}

resource "aws_ecs_service" "part" {
  for_each        = local.parts
  name            = each.key
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.part[each.key].arn
  desired_count   = each.value.count
  launch_type     = "FARGATE"
  # One writer at a time: the old dataflow ends before the new one begins.
  deployment_minimum_healthy_percent = each.value.overlaps ? 100 : 0
  deployment_maximum_percent         = each.value.overlaps ? 200 : 100
  health_check_grace_period_seconds  = each.key == "api" ? 60 : null
  propagate_tags                     = "SERVICE"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets          = values(aws_subnet.private)[*].id
    security_groups  = [aws_security_group.parts.id]
    assign_public_ip = false
  }
  dynamic "load_balancer" {
    for_each = each.key == "api" ? [aws_lb_target_group.api.arn] : []
    content {
      target_group_arn = load_balancer.value
      container_name   = "api"
      container_port   = 8080
    }
  }
  lifecycle {
    # Of the API by the autoscaler; the others are one.
    ignore_changes = [desired_count]
  }
  depends_on = [
    aws_lb_listener.https, aws_efs_mount_target.uploads, aws_efs_file_system_policy.uploads,
    aws_iam_role_policy.execution, aws_iam_role_policy.task,
  ]
}

resource "aws_appautoscaling_target" "api" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.part["api"].name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.api.fewest
  max_capacity       = var.api.most
}

resource "aws_appautoscaling_policy" "api" {
  name               = "${var.name}-api"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.api.service_namespace
  resource_id        = aws_appautoscaling_target.api.resource_id
  scalable_dimension = aws_appautoscaling_target.api.scalable_dimension
  target_tracking_scaling_policy_configuration {
    predefined_metric_specification { predefined_metric_type = "ECSServiceAverageCPUUtilization" }
    target_value       = 60
    scale_in_cooldown  = 300
    scale_out_cooldown = 30
  }
}
