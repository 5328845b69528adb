# Logs in CloudWatch, and alarms on what the servers say of themselves. The suite's own metrics are Prometheus' (grafana/).

resource "aws_cloudwatch_log_group" "part" {
  for_each          = merge(local.parts, local.once)
  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_cloudwatch_log_group" "kafka" {
  name              = "/${var.name}/kafka"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this.arn
}

resource "aws_cloudwatch_log_group" "network" {
  name              = "/${var.name}/network"
  retention_in_days = var.log_days
  kms_key_id        = aws_kms_key.this.arn
}

locals {
  logs = {
    for part, group in aws_cloudwatch_log_group.part : part => {
      logDriver = "awslogs"
      options   = { awslogs-group = group.name, awslogs-region = var.region, awslogs-stream-prefix = part }
    }
  }
}

# The key of the suite, since CloudWatch may not use that of SNS: an alarm would be lost without a word.
resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.this.arn
}

resource "aws_cloudwatch_metric_alarm" "database_disk" {
  alarm_name          = "${var.name}-database-disk"
  alarm_description   = "Less than 5 GB are left for Postgres"
  namespace           = "AWS/RDS"
  metric_name         = "FreeStorageSpace"
  dimensions          = { DBInstanceIdentifier = aws_db_instance.this.identifier }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = 5 * 1024 * 1024 * 1024
  period              = 300
  evaluation_periods  = 1
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "kafka_disk" {
  for_each            = toset([for broker in range(1, length(var.zones) + 1) : tostring(broker)])
  alarm_name          = "${var.name}-kafka-disk-${each.key}"
  alarm_description   = "A broker's disk is more than four fifths full"
  namespace           = "AWS/Kafka"
  metric_name         = "KafkaDataLogsDiskUsed"
  dimensions          = { "Cluster Name" = aws_msk_cluster.this.cluster_name, "Broker ID" = each.key }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 80
  period              = 300
  evaluation_periods  = 1
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "api" {
  alarm_name          = "${var.name}-api"
  alarm_description   = "No API answers"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { TargetGroup = aws_lb_target_group.api.arn_suffix, LoadBalancer = aws_lb.this.arn_suffix }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
