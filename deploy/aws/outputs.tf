output "balancer" {
  description = "What the domain has to be an alias of."
  value       = aws_lb.this.dns_name
}

output "drive_secret" {
  description = "Where the key of the service account of Google Drive goes."
  value       = aws_secretsmanager_secret.drive.name
}

output "alarms" {
  description = "The topic to subscribe to."
  value       = aws_sns_topic.alarms.arn
}

output "run_once" {
  description = "Brings schema and topics up; run both before each new version."
  value = {
    for name, task in aws_ecs_task_definition.once : name => join(" ", [
      "aws ecs run-task --launch-type FARGATE --cluster ${aws_ecs_cluster.this.name} --task-definition ${task.family}",
      "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", values(aws_subnet.private)[*].id)}],securityGroups=[${aws_security_group.parts.id}]}'",
    ])
  }
}
