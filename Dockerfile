# The images of Mailstead: one builder, and one small image for each program. Build them with `docker compose build`.
# Everything comes from Debian; a rebuild with --no-cache takes in its security updates.

FROM debian:bookworm-slim AS builder
COPY scripts/lib/install.sh /src/scripts/lib/install.sh
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    . /src/scripts/lib/install.sh && apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(packages_build) >/dev/null
WORKDIR /src
COPY CMakeLists.txt ./
COPY cmake cmake
COPY proto proto
COPY common common
COPY smtpd smtpd
COPY pop3d pop3d
COPY webd webd
COPY stored stored
COPY mailctl mailctl
RUN --mount=type=cache,target=/root/.cache/ccache \
    cmake -G Ninja -S . -B /build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O2 -DNDEBUG" \
      -DCMAKE_EXE_LINKER_FLAGS=-s "-DMAILSTEAD_PARTS=smtpd;pop3d;webd;stored;mailctl" && \
    cmake --build /build --target smtpd pop3d webd stored mailctl


# What every image has: the user, its folders (a new volume takes over their owner), the probe.
FROM debian:bookworm-slim AS base
RUN groupadd --gid 10001 mailstead && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin mailstead && \
    install -d -o mailstead -g mailstead -m 0700 /var/lib/mailstead /var/lib/mailstead/store \
      /var/lib/mailstead/secrets /var/lib/mailstead/tls
COPY deploy/docker/healthcheck /usr/local/bin/


# The libraries that all programs share; once on disk, whatever number of images uses it.
FROM base AS runtime
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libcivetweb1 libgrpc++1.51 libidn2-0 libprometheus-cpp-core1.0 libprotobuf32 libspdlog1.10 libssl3 >/dev/null
USER mailstead
WORKDIR /


FROM runtime AS smtpd
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates libc-ares2 libcurl4 libgsasl18 >/dev/null
USER mailstead
COPY --from=builder /build/bin/smtpd /usr/local/bin/
ENV SMTPD_ADMIN_LISTEN=0.0.0.0:9090 \
    SMTPD_STORE=stored:7070 \
    SMTPD_STORE_TOKEN_FILE=/var/lib/mailstead/secrets/smtp.token \
    SMTPD_TLS_SELF_SIGNED_DIR=/var/lib/mailstead/tls
EXPOSE 25 465 587 9090
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --start-interval=1s CMD ["healthcheck", "9090"]
ENTRYPOINT ["smtpd"]


FROM runtime AS pop3d
COPY --from=builder /build/bin/pop3d /usr/local/bin/
ENV POP3D_ADMIN_LISTEN=0.0.0.0:9090 \
    POP3D_STORE=stored:7070 \
    POP3D_STORE_TOKEN_FILE=/var/lib/mailstead/secrets/pop.token \
    POP3D_TLS_SELF_SIGNED_DIR=/var/lib/mailstead/tls
EXPOSE 110 995 9090
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --start-interval=1s CMD ["healthcheck", "9090"]
ENTRYPOINT ["pop3d"]


FROM runtime AS webd
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates libc-ares2 libcurl4 libnghttp2-14 >/dev/null
USER mailstead
COPY --from=builder /build/bin/webd /usr/local/bin/
ENV WEBD_ADMIN_LISTEN=0.0.0.0:9090 \
    WEBD_STORE=stored:7070 \
    WEBD_STORE_TOKEN_FILE=/var/lib/mailstead/secrets/web.token
EXPOSE 8080 9090
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --start-interval=1s CMD ["healthcheck", "9090"]
ENTRYPOINT ["webd"]


FROM runtime AS stored
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates libargon2-1 libc-ares2 libcurl4 libgsasl18 libnettle8 librocksdb7.8 >/dev/null && \
    install -d -o mailstead -g mailstead -m 0700 /var/lib/mailstead/secrets/smtp /var/lib/mailstead/secrets/pop \
      /var/lib/mailstead/secrets/relay /var/lib/mailstead/secrets/web /var/lib/mailstead/secrets/store \
      /var/lib/mailstead/backups
COPY --from=builder /build/bin/stored /build/bin/mailctl /usr/local/bin/
COPY deploy/docker/first-start /usr/local/bin/
USER mailstead
# The operator's token lies with the data, where no front-end sees it, and those of smtpd, pop3d, webd and the relay in a
# volume each; so does the key of the store's secrets, which is not with what it seals.
ENV STORED_ADMIN_LISTEN=0.0.0.0:9090 \
    STORED_LISTEN=0.0.0.0:7070 \
    STORED_DATA_DIR=/var/lib/mailstead/store/data \
    STORED_BACKUP_DIR=/var/lib/mailstead/backups \
    STORED_OPERATOR_TOKEN_FILE=/var/lib/mailstead/store/operator.token \
    STORED_SMTP_TOKEN_FILE=/var/lib/mailstead/secrets/smtp/smtp.token \
    STORED_POP_TOKEN_FILE=/var/lib/mailstead/secrets/pop/pop.token \
    STORED_RELAY_TOKEN_FILE=/var/lib/mailstead/secrets/relay/relay.token \
    STORED_WEB_TOKEN_FILE=/var/lib/mailstead/secrets/web/web.token \
    STORED_SECRETS_KEY_FILE=/var/lib/mailstead/secrets/store/secrets.key \
    MAILCTL_STORE=127.0.0.1:7070 \
    MAILCTL_TOKEN_FILE=/var/lib/mailstead/store/operator.token
EXPOSE 7070 9090
VOLUME ["/var/lib/mailstead/store", "/var/lib/mailstead/secrets/smtp", "/var/lib/mailstead/secrets/pop", \
        "/var/lib/mailstead/secrets/relay", "/var/lib/mailstead/secrets/web", "/var/lib/mailstead/secrets/store", \
        "/var/lib/mailstead/backups"]
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --start-interval=1s CMD ["healthcheck", "9090"]
ENTRYPOINT ["stored"]


# The relays' DNS resolver.
FROM base AS resolver
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      dns-root-data unbound >/dev/null
COPY deploy/unbound/unbound.conf /etc/mailstead/unbound.conf
USER mailstead
EXPOSE 53/udp 53/tcp
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --start-interval=1s CMD ["bash", "-c", ": </dev/tcp/127.0.0.1/53"]
ENTRYPOINT ["unbound", "-d", "-p", "-c", "/etc/mailstead/unbound.conf"]


FROM base AS edge
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked \
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends haproxy >/dev/null
COPY deploy/haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg
USER mailstead
EXPOSE 25 465 587 110 995 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --start-interval=1s CMD ["healthcheck", "8404"]
# Lets sessions end, for as long as hard-stop-after in haproxy.cfg says.
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
