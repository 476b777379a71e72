'use strict';

const http = require('node:http');
const { createApp, createIdentify } = require('./app');
const { Tokens, hashPassword } = require('./auth');
const { Cache } = require('./cache');
const { loadConfig, ConfigError } = require('./config');
const { ConnectionTracker } = require('./connections');
const { Database } = require('./database');
const { prepareDirectories } = require('./lib/files');
const { sleep } = require('./lib/async');
const { LiveUpdates } = require('./live');
const { createLogger } = require('./logger');
const { createMetrics, PUBLIC_TENANT } = require('./metrics');
const { ReportScheduler } = require('./reports');

function readConfig() {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const config = readConfig();
const logger = createLogger({ level: config.logLevel, dir: config.paths.logs, ...config.log });

const server = http.createServer({ requestTimeout: 120_000, headersTimeout: 20_000, keepAliveTimeout: 30_000 });
const state = { draining: false };
const starting = new AbortController();

const metrics = createMetrics({ countConnections: () => connections.size });
const connections = new ConnectionTracker(server, { onTransfer: metrics.countTransfer, defaultTenant: PUBLIC_TENANT });
const database = new Database(config.database, { logger, onQuery: metrics.countQuery });
const cache = new Cache(config.redis, { logger });
const tokens = new Tokens(config.auth);
const identify = createIdentify({ tokens, requireAuth: config.requireAuth });
const live = new LiveUpdates({ connections, identify, logger, isDraining: () => state.draining });
const reports = new ReportScheduler({
  database,
  logger,
  reportDir: config.paths.reports,
  tmpDir: config.paths.tmp,
  intervalMs: config.report.intervalMs,
  keep: config.report.keep,
});

server.on('request', createApp({
  config, logger, metrics, connections, database, cache, tokens, live, identify, state,
}));
live.attach(server);

function exit(code) {
  logger.close();
  process.exit(code);
}

function fail(message, error) {
  logger.error(message, { error: error?.message || error?.code || String(error) });
  exit(1);
}

async function start() {
  logger.info('Starting HSE Digital', { node: process.version, pid: process.pid });
  if (config.auth.accessSecret === config.auth.refreshSecret) {
    logger.warn('JWT_SECRET and REFRESH_SECRET are the same; use two different secrets');
  }
  for (const { dir, error } of await prepareDirectories(Object.values(config.paths))) {
    logger.error('Directory is not writable', { dir, error: error.message });
  }
  if (state.draining) return;

  cache.start();
  // Listens before the database is reachable: health returns 503 until then.
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  logger.info('HTTP server listening', { host: config.host, port: server.address().port });

  await database.start(starting.signal);
  if (state.draining) return;
  if (config.admin.email && config.admin.password) {
    await database.saveUser({
      email: config.admin.email.toLowerCase(),
      passwordHash: await hashPassword(config.admin.password),
      tenant: config.admin.tenant,
    });
  }
  reports.start();
}

async function closeHttpServer() {
  // close() stops listening at once; its callback also waits for WebSockets.
  if (server.listening) server.close();
  await connections.drainHttp();
}

async function shutdown(signal) {
  if (state.draining) {
    logger.error(`${signal} received again, exiting at once`);
    exit(1);
  }
  state.draining = true;
  logger.info(`${signal} received, initiating graceful shutdown`);
  setTimeout(() => {
    logger.error(`Graceful shutdown timed out after ${config.shutdown.timeoutMs} ms, forcing exit`);
    exit(1);
  }, config.shutdown.timeoutMs);
  starting.abort();

  try {
    logger.info('Stopping report scheduler...');
    await reports.stop();

    // Gives a load balancer time to see the failing health check; none by default.
    if (config.shutdown.drainDelayMs > 0) await sleep(config.shutdown.drainDelayMs);

    logger.info('Closing HTTP server (waiting for active connections)...');
    await closeHttpServer();
    logger.info('HTTP server closed successfully');

    logger.info('Closing WebSocket connections...');
    await live.close();
    logger.info('WebSocket server closed');

    logger.info('Disconnecting from database...');
    await database.close();
    logger.info('Database connection closed');

    await cache.close();
    logger.info('Redis connection closed');
  } catch (error) {
    fail('Graceful shutdown failed', error);
  }
  logger.info('Graceful shutdown completed successfully');
  exit(0);
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => shutdown(signal));
process.on('uncaughtException', (error, origin) => {
  logger.error(origin, { error: error?.stack ?? String(error) });
  exit(1);
});

start().catch((error) => {
  if (state.draining) return;
  fail('Start failed', error);
});
