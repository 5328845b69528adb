# syntax=docker/dockerfile:1
# The one image of every part: `docker build -t fandom .`; which part runs is its argument (docker-compose.yml). deploy/image builds the one
# to deploy, so that it can be built again, with a bill of materials.

# Tags move: what is to be built again names both by their digests, and the day of Debian's packages below (docs/deployment.md).
ARG RUST_IMAGE=rust:1.95-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim
# checkov:skip=CKV_DOCKER_7:the tags stand above, and are none that is called latest
# What the program is made of stands in Cargo.lock, which is not in the image.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true

FROM ${RUST_IMAGE} AS build
ARG DEBIAN_SNAPSHOT=
# librdkafka, zlib, curl and OpenSSL are built from sources and stand in the program.
RUN --mount=type=bind,source=deploy/packages,target=/packages /packages cmake perl pkg-config
WORKDIR /src
COPY . .
# The same sources give the same program: paths of the build are not in it, Cargo.lock says what it is made of, and the one date that is in
# it, OpenSSL's, is that of the commit.
ARG SOURCE_DATE_EPOCH=0
ENV RUSTFLAGS="--remap-path-prefix=/src=fandom --remap-path-prefix=/target=target --remap-path-prefix=/usr/local/cargo=cargo" CARGO_INCREMENTAL=0
# What an earlier build left is of use while one tries things out, and nothing that an image to deploy may be made of.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/target \
    export CARGO_TARGET_DIR="/target/$SOURCE_DATE_EPOCH" \
    && clean() { [ "$SOURCE_DATE_EPOCH" = 0 ] || rm -rf "$CARGO_TARGET_DIR"; } \
    && clean \
    && cargo build --release --locked -p fandom \
    && install -D --strip "$CARGO_TARGET_DIR/release/fandom" /out/fandom \
    && clean

FROM ${DEBIAN_IMAGE}
ARG DEBIAN_SNAPSHOT= SOURCE_DATE_EPOCH=0
# Certificates of the authorities that sign for Google, Kafka and Postgres. The time zones are part of the program.
RUN --mount=type=bind,source=deploy/packages,target=/packages /packages ca-certificates \
    && groupadd --system --gid 10001 fandom \
    && useradd --system --uid 10001 --gid fandom --no-create-home --home-dir /var/lib/fandom fandom \
    && install -d -o fandom -g fandom /var/lib/fandom /var/lib/fandom/inbox /var/lib/fandom/uploads /var/lib/fandom/downloads
COPY --from=build /out/fandom /usr/local/bin/fandom
COPY deploy/render/part /usr/local/bin/render-part
COPY LICENSE /usr/share/doc/fandom/LICENSE
LABEL org.opencontainers.image.title=fandom org.opencontainers.image.licenses=Apache-2.0
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
