# workshop: everything, for the payment sandbox and the demo data. api: what runs in production.
FROM node:20-bookworm-slim AS workshop
WORKDIR /floodgate
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node sandbox/build.mjs && mkdir /var/lib/floodgate && chown node:node /var/lib/floodgate
USER node
CMD ["node", "--import", "tsx", "sandbox/payments/main.ts"]

FROM node:20-bookworm-slim AS dependencies
WORKDIR /floodgate
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:20-bookworm-slim AS api
WORKDIR /floodgate
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 TOKEN_KEY_FILE=/var/lib/floodgate/token-key.json
RUN mkdir /var/lib/floodgate && chown node:node /var/lib/floodgate
COPY package.json ./
COPY --from=dependencies /floodgate/node_modules node_modules
COPY --from=workshop /floodgate/dist dist
USER node
VOLUME /var/lib/floodgate
EXPOSE 4000
CMD ["node", "dist/main.js"]
