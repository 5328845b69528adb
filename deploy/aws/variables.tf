variable "region" {
  description = "Where everything stands."
  type        = string
}

variable "zones" {
  description = "Three zones of that region, by name: a zone that AWS adds must not move what is there."
  type        = list(string)
  validation {
    condition     = length(var.zones) == 3
    error_message = "Name three zones: each has a broker."
  }
}

variable "name" {
  description = "The first part of the name of everything that is made."
  type        = string
  default     = "fandom"
}

variable "image" {
  description = "The image of the suite, with its digest: <account>.dkr.ecr.<region>.amazonaws.com/fandom@sha256:…"
  type        = string
}

variable "image_repository_arn" {
  description = "The repository of that image in ECR."
  type        = string
}

variable "domain" {
  description = "The host name by which the API is asked."
  type        = string
}

variable "certificate_arn" {
  description = "A certificate for that name in ACM."
  type        = string
}

variable "allowed_cidrs" {
  description = "From where the API may be asked."
  type        = list(string)
}

variable "cidr" {
  description = "The addresses of the network, a /16."
  type        = string
  default     = "10.40.0.0/16"
}

variable "metrics_cidrs" {
  description = "From where Prometheus reads metrics, on port 9464 of each task; null for the whole network, [] for nowhere."
  type        = list(string)
  default     = null
}

variable "metrics_security_groups" {
  description = "Security groups from which metrics are read too, by a name of yours: with metrics_cidrs = [] these alone."
  type        = map(string)
  default     = {}
}

variable "otlp" {
  description = "A collector of OpenTelemetry for spans: its address (OTEL_EXPORTER_OTLP_ENDPOINT), its port, and where it is. None by default."
  type        = object({ endpoint = string, port = optional(number, 4318), cidrs = list(string) })
  default     = null
}

variable "smtp" {
  description = "A mail server for invitations: the secret of yours that holds FANDOM_SMTP_URL, the sender, its port, and where it is. None by default."
  type        = object({ url_secret_arn = string, from = string, port = optional(number, 587), cidrs = list(string) })
  default     = null
  validation {
    condition     = var.smtp == null ? true : contains([465, 587], var.smtp.port)
    error_message = "Mail is sent on port 587, or on 465 with TLS from the first byte."
  }
}

variable "reporting_tz" {
  description = "IANA zone in which days are cut."
  type        = string
  default     = "UTC"
}

variable "drive_folders" {
  description = "Folders of Google Drive that are read (FANDOM_DRIVE_FOLDERS)."
  type        = string
  default     = ""
}

variable "kafka" {
  description = "The brokers: version, kind of instance, GB each."
  type        = object({ version = string, instance = string, gigabytes = number })
  default     = { version = "3.9.x.kraft", instance = "kafka.m7g.large", gigabytes = 100 }
}

variable "postgres" {
  description = "The database: kind of instance, GB at first and at most."
  type        = object({ instance = string, gigabytes = number, most_gigabytes = number })
  default     = { instance = "db.m7g.large", gigabytes = 50, most_gigabytes = 500 }
}

variable "dataflow" {
  description = "The dataflow: workers, units of processor (1024 a core), MiB. 8192 MiB hold 20 M rows (docs/deployment.md)."
  type        = object({ workers = number, cpu = number, memory = number })
  default     = { workers = 2, cpu = 2048, memory = 8192 }
}

variable "api" {
  description = "The API: fewest and most tasks."
  type        = object({ fewest = number, most = number })
  default     = { fewest = 2, most = 6 }
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 365
}
