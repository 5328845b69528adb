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
  settings = {
    KAFKA_BOOTSTRAP_SERVERS        = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
    FANDOM_KAFKA_SECURITY_PROTOCOL = "SASL_SSL"
    FANDOM_KAFKA_SASL_MECHANISMS   = "SCRAM-SHA-512"
    FANDOM_KAFKA_SSL_CA_LOCATION   = "/etc/ssl/certs/ca-certificates.crt"
    FANDOM_KAFKA_REPLICATION       = "3"
    FANDOM_REPORTING_TZ            = var.reporting_tz
    FANDOM_METRICS_PORT            = "9464"
  }
  login = {
    FANDOM_KAFKA_SASL_USERNAME = local.secrets.kafka_username
    FANDOM_KAFKA_SASL_PASSWORD = local.secrets.kafka_password
  }
  uploads = "/var/lib/fandom/uploads"
  # Of each part: its argument, its size, settings and secrets of its own, whether it reaches uploads, how many of it run, and whether
  # a new one may be started before the old one has ended.
  parts = {
    api = {
      command = ["api"], health = "api", cpu = 512, memory = 1024, count = var.api.fewest, overlaps = true, uploads = true
      settings = {
        FANDOM_PORT        = "8080"
        FANDOM_API_HOSTS   = var.domain
        FANDOM_UPLOADS_DIR = local.uploads
      }
      secrets = { FANDOM_ARCHIVE_KEY = local.secrets.archive_key, FANDOM_SECRETS_KEY = local.secrets.secrets_key }
    }
    connectors = {
      command = ["connect"], health = "connect", cpu = 1024, memory = 4096, count = 1, overlaps = false, uploads = true
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
      command  = ["dataflow"], health = "dataflow", cpu = var.dataflow.cpu, memory = var.dataflow.memory, count = 1, overlaps = false, uploads = false
      settings = { FANDOM_WORKERS = tostring(var.dataflow.workers) }
      secrets  = {}
    }
    archive = {
      command  = ["archive"], health = "archive", cpu = 256, memory = 1024, count = 1, overlaps = false, uploads = false
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
}

resource "aws_ecs_task_definition" "part" {
  for_each                 = local.parts
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  dynamic "volume" {
    for_each = each.key == "connectors" ? ["drive", "tmp"] : []
    content { name = volume.value }
  }
  dynamic "volume" {
    for_each = each.value.uploads ? ["uploads"] : []
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
      environment            = [for name, value in merge(local.settings, each.value.settings) : { name = name, value = value }]
      secrets                = [for name, arn in merge(local.login, { DATABASE_URL = "${local.secrets.accounts[each.key]}:url::" }, each.value.secrets) : { name = name, valueFrom = arn }]
      portMappings           = each.key == "api" ? [{ containerPort = 8080 }] : []
      dependsOn              = each.key == "connectors" ? [{ containerName = "drive-key", condition = "SUCCESS" }] : []
      mountPoints = concat(
        each.key != "connectors" ? [] : [
          { sourceVolume = "drive", containerPath = "/run/drive", readOnly = true },
          { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
        ],
        each.value.uploads ? [{ sourceVolume = "uploads", containerPath = local.uploads, readOnly = false }] : [],
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
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  container_definitions = jsonencode([{
    name                   = each.key
    image                  = var.image
    essential              = true
    command                = each.value
    readonlyRootFilesystem = true
    environment            = [for name, value in local.settings : { name = name, value = value }]
    secrets                = [for name, arn in merge(local.login, each.key == "migrate" ? local.owner : {}) : { name = name, valueFrom = arn }]
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
  depends_on = [aws_lb_listener.https, aws_efs_mount_target.uploads]
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
