# Secrets: made here, but for the key of Google Drive, which is put into its place by hand.

resource "random_password" "postgres" {
  length  = 40
  special = false
}

# Of the parts' accounts in Postgres, which `migrate` makes.
resource "random_password" "account" {
  for_each = toset(["connectors", "dataflow", "archive", "api"])
  length   = 40
  special  = false
}

resource "random_password" "kafka" {
  length  = 40
  special = false
}

resource "random_bytes" "archive" {
  length = 32
}

resource "random_bytes" "secrets" {
  length = 32
}

resource "aws_secretsmanager_secret" "database_url" {
  # checkov:skip=CKV2_AWS_57:made by Terraform: rotated by replacing random_password.postgres
  name       = "${var.name}/database-url"
  kms_key_id = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "database_url" {
  secret_id     = aws_secretsmanager_secret.database_url.id
  secret_string = "postgresql://${aws_db_instance.this.username}:${random_password.postgres.result}@${aws_db_instance.this.endpoint}/${aws_db_instance.this.db_name}?sslmode=require"
}

# Of each part: its password, for `migrate`, and how it reaches the database with it.
resource "aws_secretsmanager_secret" "account" {
  # checkov:skip=CKV2_AWS_57:made by Terraform: rotated by replacing random_password.account and running migrate
  for_each   = random_password.account
  name       = "${var.name}/database-${each.key}"
  kms_key_id = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "account" {
  for_each  = random_password.account
  secret_id = aws_secretsmanager_secret.account[each.key].id
  secret_string = jsonencode({
    password = each.value.result
    url      = "postgresql://fandom_${each.key}:${each.value.result}@${aws_db_instance.this.endpoint}/${aws_db_instance.this.db_name}?sslmode=require"
  })
}

# MSK takes accounts from secrets whose names begin like this.
resource "aws_secretsmanager_secret" "kafka" {
  # checkov:skip=CKV2_AWS_57:made by Terraform: rotated by replacing random_password.kafka
  name       = "AmazonMSK_${var.name}"
  kms_key_id = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "kafka" {
  secret_id     = aws_secretsmanager_secret.kafka.id
  secret_string = jsonencode({ username = "fandom", password = random_password.kafka.result })
}

resource "aws_secretsmanager_secret" "archive_key" {
  # checkov:skip=CKV2_AWS_57:rotated by fandom archive rotate, which seals every text anew
  name       = "${var.name}/archive-key"
  kms_key_id = aws_kms_key.this.arn
}

# Rotated by hand, by `fandom archive rotate`: what is there then is not overwritten.
resource "aws_secretsmanager_secret_version" "archive_key" {
  secret_id     = aws_secretsmanager_secret.archive_key.id
  secret_string = random_bytes.archive.base64
  lifecycle { ignore_changes = [secret_string] }
}

resource "aws_secretsmanager_secret" "secrets_key" {
  # checkov:skip=CKV2_AWS_57:rotated by hand, since the key before must stay until the API was started with both
  name       = "${var.name}/secrets-key"
  kms_key_id = aws_kms_key.this.arn
}

# Rotated by hand (docs/security.md): what is there then is not overwritten.
resource "aws_secretsmanager_secret_version" "secrets_key" {
  secret_id     = aws_secretsmanager_secret.secrets_key.id
  secret_string = random_bytes.secrets.base64
  lifecycle { ignore_changes = [secret_string] }
}

resource "aws_secretsmanager_secret" "drive" {
  # checkov:skip=CKV2_AWS_57:a key of Google's, rotated there
  name       = "${var.name}/drive-credentials"
  kms_key_id = aws_kms_key.this.arn
}

resource "aws_secretsmanager_secret_version" "drive" {
  secret_id     = aws_secretsmanager_secret.drive.id
  secret_string = "{}"
  lifecycle { ignore_changes = [secret_string] }
}

locals {
  secrets = {
    database_url   = aws_secretsmanager_secret.database_url.arn
    accounts       = { for part, secret in aws_secretsmanager_secret.account : part => secret.arn }
    kafka          = aws_secretsmanager_secret.kafka.arn
    archive_key    = aws_secretsmanager_secret.archive_key.arn
    secrets_key    = aws_secretsmanager_secret.secrets_key.arn
    drive          = aws_secretsmanager_secret.drive.arn
    kafka_username = "${aws_secretsmanager_secret.kafka.arn}:username::"
    kafka_password = "${aws_secretsmanager_secret.kafka.arn}:password::"
  }
}
