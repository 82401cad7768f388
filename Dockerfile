# The service. Build: docker build -t credit-service .
# Any image with Node 24 on a Debian userland serves as the base.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY . .
RUN npm ci --no-audit --no-fund && npm run build

FROM ${NODE_IMAGE}
ENV NODE_ENV=production PORT=3000
WORKDIR /service
# Only what the server needs at run time: no PostgreSQL, no Node of its own, no tools.
COPY package.json package-lock.json ./
COPY apps/server/package.json apps/server/
COPY packages/domain/package.json packages/domain/
COPY packages/rpc/package.json packages/rpc/
RUN npm ci --no-audit --no-fund --omit=dev --omit=optional --ignore-scripts --workspace apps/server && npm cache clean --force
COPY --from=build /build/apps/server/dist apps/server/dist
COPY --from=build /build/packages/domain/dist packages/domain/dist
COPY --from=build /build/packages/rpc/dist packages/rpc/dist
COPY migrations migrations
# Nothing here belongs to the user that runs it: it cannot change what it runs.
USER 65534:65534
EXPOSE 3000
# Whether the process answers; that a merchant's database is down must not restart it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["node", "apps/server/dist/health/check.js", "live"]
CMD ["node", "apps/server/dist/main.js"]
