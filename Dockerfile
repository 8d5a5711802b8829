# An image with the binary, the libraries that it needs, and nothing else: no shell, no root.
#
#   docker build --tag news .
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package news && packaging/docker/root target/release/news /image

FROM scratch
COPY --from=build /image/ /
USER 10001:10001
ENTRYPOINT ["/usr/bin/news"]
CMD ["serve", "--listen", "0.0.0.0:8000", "--trust-proxy"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/news", "serve", "--check"]
