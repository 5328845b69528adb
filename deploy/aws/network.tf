# Two kinds of subnets in each zone: public ones for the balancer and the way out, private ones for everything else.

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

# Nothing uses it, and nothing may.
resource "aws_default_security_group" "none" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "public" {
  for_each          = { for place, zone in var.zones : zone => place }
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 8, each.value)
  tags              = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each          = { for place, zone in var.zones : zone => place }
  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value + 1)
  tags              = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_eip" "nat" {
  domain     = "vpc"
  depends_on = [aws_internet_gateway.this]
}

# The connectors reach Google Drive through it.
resource "aws_nat_gateway" "this" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public[var.zones[0]].id
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this.id
  }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id
  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.this.id
  }
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  for_each       = aws_subnet.private
  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id          = aws_vpc.this.id
  service_name    = "com.amazonaws.${var.region}.s3"
  route_table_ids = [aws_route_table.private.id]
}

resource "aws_flow_log" "this" {
  vpc_id          = aws_vpc.this.id
  traffic_type    = "REJECT"
  log_destination = aws_cloudwatch_log_group.network.arn
  iam_role_arn    = aws_iam_role.flow_log.arn
}

# --- who may talk to whom ---------------------------------------------------------------------------------------------

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "The load balancer"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "parts" {
  name        = "${var.name}-parts"
  description = "The parts of the suite"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "kafka" {
  name        = "${var.name}-kafka"
  description = "Brokers"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "postgres" {
  name        = "${var.name}-postgres"
  description = "Database"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "uploads" {
  name        = "${var.name}-uploads"
  description = "Uploaded files"
  vpc_id      = aws_vpc.this.id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each          = { for pair in setproduct(var.allowed_cidrs, [80, 443]) : "${pair[0]}-${pair[1]}" => pair }
  security_group_id = aws_security_group.balancer.id
  description       = "Whoever may ask the API"
  cidr_ipv4         = each.value[0]
  ip_protocol       = "tcp"
  from_port         = each.value[1]
  to_port           = each.value[1]
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the API"
  referenced_security_group_id = aws_security_group.parts.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.parts.id
  description                  = "From the balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_egress_rule" "web" {
  security_group_id = aws_security_group.parts.id
  description       = "Google Drive, registries, secrets, logs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  for_each          = toset(coalesce(var.metrics_cidrs, [var.cidr]))
  security_group_id = aws_security_group.parts.id
  description       = "Prometheus reads metrics"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 9464
  to_port           = 9464
}

resource "aws_vpc_security_group_ingress_rule" "metrics_of_group" {
  for_each                     = var.metrics_security_groups
  security_group_id            = aws_security_group.parts.id
  description                  = "Prometheus reads metrics"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 9464
  to_port                      = 9464
}

resource "aws_vpc_security_group_egress_rule" "otlp" {
  for_each          = toset(var.otlp == null ? [] : var.otlp.cidrs)
  security_group_id = aws_security_group.parts.id
  description       = "Spans to the collector of OpenTelemetry"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.otlp.port
  to_port           = var.otlp.port
}

resource "aws_vpc_security_group_egress_rule" "smtp" {
  for_each          = toset(var.smtp == null ? [] : var.smtp.cidrs)
  security_group_id = aws_security_group.parts.id
  description       = "Invitations to the mail server"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = var.smtp.port
  to_port           = var.smtp.port
}

locals {
  servers = {
    kafka    = { group = aws_security_group.kafka.id, port = 9096 }
    postgres = { group = aws_security_group.postgres.id, port = 5432 }
    uploads  = { group = aws_security_group.uploads.id, port = 2049 }
  }
}

resource "aws_vpc_security_group_egress_rule" "servers" {
  for_each                     = local.servers
  security_group_id            = aws_security_group.parts.id
  description                  = "To ${each.key}"
  referenced_security_group_id = each.value.group
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "servers" {
  for_each                     = local.servers
  security_group_id            = each.value.group
  description                  = "From the parts"
  referenced_security_group_id = aws_security_group.parts.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}
