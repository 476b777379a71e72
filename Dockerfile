# The image of hsectl. Pass both base images with their digest; they have no default, because a default tag would move.
# VERSION is what hsectl version says of the image: the build context has no .git to read it from.
#
#   docker build --target hsectl --build-arg VERSION=v1.0.0 --build-arg GO_IMAGE=golang:1.26@sha256:… -t hsectl .
#   docker build --target ci --build-arg VERSION=v1.0.0 --build-arg GO_IMAGE=golang:1.26@sha256:… --build-arg CI_IMAGE=debian:trixie-slim@sha256:… -t hsectl-ci .
ARG GO_IMAGE
ARG CI_IMAGE=scratch

FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download && go mod verify
COPY . .
ARG VERSION
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/hsectl/hsectl/internal/app.version=${VERSION}" -o /out/hsectl ./cmd/hsectl

# For pipelines: with git, for review, and with ssh, for remote engines.
FROM ${CI_IMAGE} AS ci
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates curl git jq openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 65532 --user-group --create-home hsectl
COPY --from=build /out/hsectl /usr/local/bin/hsectl
COPY --chmod=0755 ci/gitlab/hsectl-comment /usr/local/bin/hsectl-comment
USER 65532:65532
WORKDIR /work

# Contains one static file. To review git revisions, use the target ci, which contains git.
FROM scratch AS hsectl
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/hsectl /hsectl
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/hsectl"]
