# Crossfade in a container: `crossfade up` for the project folder that is mounted at /project, which also keeps the
# state (.crossfade). tini is PID 1: it passes signals on and reaps what ended programs leave behind, which Node does
# not. `docker stop -t 90` lets gateway, controller and instances end; `docker kill -s HUP` reads crossfade.yaml again.
# In crossfade.yaml: listen.gateway 0.0.0.0:8080; the control address beyond this container needs listen.tls.control.
FROM node:24.21.0-bookworm-slim AS dashboard
WORKDIR /build
COPY package.json package-lock.json ./
COPY dashboard dashboard
RUN npm ci --workspace dashboard --ignore-scripts --no-audit --no-fund
COPY scripts/build-dashboard.ts scripts/
RUN node scripts/build-dashboard.ts

FROM node:24.21.0-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends git ca-certificates tini \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/crossfade
COPY package.json package-lock.json ./
COPY engine/package.json engine/
COPY speech/package.json speech/
COPY dashboard/package.json dashboard/
COPY examples/voice/package.json examples/voice/
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && npm cache clean --force
COPY LICENSE README.md ./
COPY engine engine
COPY speech speech
COPY --from=dashboard /build/engine/assets/dashboard engine/assets/dashboard
RUN ln -s /opt/crossfade/engine/bin/crossfade.mjs /usr/local/bin/crossfade \
  && install -d -o node -g node /project
USER node
# A mounted checkout may belong to another account; git reads it all the same.
ENV GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*
WORKDIR /project
VOLUME /project
EXPOSE 8080 4600
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["crossfade", "status"]
ENTRYPOINT ["tini", "--", "crossfade"]
CMD ["up"]
