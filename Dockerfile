# syntax=docker/dockerfile:1
# The one image of every part: `docker build -t fandom .`; which part runs is its argument (docker-compose.yml).

FROM rust:1.95-bookworm AS build
# librdkafka, zlib, curl and OpenSSL are built from sources and stand in the program.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends -y cmake perl pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The same sources give the same program: paths of the build are not in it, and Cargo.lock says what it is made of.
ENV RUSTFLAGS="--remap-path-prefix=/src=fandom --remap-path-prefix=/usr/local/cargo=cargo" CARGO_INCREMENTAL=0
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p fandom \
    && install -D --strip target/release/fandom /out/fandom

FROM debian:bookworm-slim
# Certificates of the authorities that sign for Google, Kafka and Postgres. The time zones are part of the program.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --no-install-recommends -y ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 fandom \
    && useradd --system --uid 10001 --gid fandom --no-create-home --home-dir /var/lib/fandom fandom \
    && install -d -o fandom -g fandom /var/lib/fandom /var/lib/fandom/inbox /var/lib/fandom/uploads /var/lib/fandom/downloads
COPY --from=build /out/fandom /usr/local/bin/fandom
COPY LICENSE /usr/share/doc/fandom/LICENSE
USER 10001:10001
WORKDIR /var/lib/fandom
# Inside a container its own loopback is of use to nobody else.
ENV FANDOM_LISTEN=0.0.0.0 FANDOM_LOG_FORMAT=json FANDOM_ENV=production FANDOM_DRIVE_DOWNLOADS=/var/lib/fandom/downloads
VOLUME ["/var/lib/fandom/inbox", "/var/lib/fandom/uploads"]
EXPOSE 8080 9464
# Of the API, which runs unless another part is named; whoever runs another asks for that (docker-compose.yml).
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["fandom", "health", "api"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["fandom"]
CMD ["api"]
