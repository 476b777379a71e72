'use strict';

const fsp = require('node:fs/promises');
const { constants } = require('node:fs');
const express = require('express');
const { bearerToken, verifyPassword } = require('./auth');
const { PUBLIC_TENANT } = require('./metrics');
const { receiveUpload, discard } = require('./uploads');
const { listReports } = require('./reports');

const SEVERITIES = ['low', 'medium', 'high', 'critical'];
const LIST_LIMIT = 100;
const MAX_FAILED_LOGINS = 10;
const CLIENT_CLOSED_REQUEST = 499;
const QUIET_ROUTES = new Set(['/api/health', '/metrics']);

class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.expose = true;
  }
}

/** Identifies the caller: the owner of a valid token, or the public tenant without one. */
function createIdentify({ tokens, requireAuth }) {
  return (authorization, fallbackToken) => {
    const token = bearerToken(authorization) ?? fallbackToken;
    if (!token) {
      if (authorization) throw new HttpError(401, 'unsupported authorization');
      if (requireAuth) throw new HttpError(401, 'authentication required');
      return { tenant: PUBLIC_TENANT };
    }
    try {
      return tokens.verifyAccess(token);
    } catch {
      throw new HttpError(401, 'invalid or expired token');
    }
  };
}

function createApp({ config, logger, metrics, connections, database, cache, tokens, live, identify, state }) {
  const app = express();
  app.disable('x-powered-by');
  app.use(observe({ logger, metrics, connections }));
  app.use((req, res, next) => {
    res.set({
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': "default-src 'self'; frame-ancestors 'none'",
      'Referrer-Policy': 'no-referrer',
    });
    next();
  });

  // -- operations ----------------------------------------------------------

  app.get('/api/health', async (req, res) => {
    res.set('Cache-Control', 'no-store');
    if (state.draining) return res.status(503).json({ status: 'draining', checks: {} });

    const [db, redis, storage] = await Promise.all([
      check(database.ping()),
      check(cache.ping()),
      // Reported, but not required: the application works without it.
      check(Promise.all(Object.values(config.paths).map((dir) => fsp.access(dir, constants.W_OK)))),
    ]);
    const healthy = db === 'ok' && redis === 'ok' && !state.draining;
    res.status(healthy ? 200 : 503).json({
      status: healthy ? 'ok' : 'unavailable',
      checks: { database: db, redis, storage },
      uptimeSeconds: Math.round(process.uptime()),
    });
  });

  app.get('/metrics', async (req, res) => {
    const text = await metrics.registry.metrics();
    res.set('Content-Type', metrics.registry.contentType).end(text);
  });

  // -- authentication ------------------------------------------------------

  const json = express.json({ limit: '32kb' });

  app.post('/api/auth/login', json, async (req, res) => {
    const email = requireText(req.body, 'email', 254).toLowerCase();
    const password = requireText(req.body, 'password', 1024);
    const attempts = `${req.socket.remoteAddress}:${email}`;
    if (await cache.failedLogins(attempts) >= MAX_FAILED_LOGINS) {
      throw new HttpError(429, 'too many failed logins, try again later');
    }
    const user = await database.findUser(email);
    if (!await verifyPassword(password, user?.password_hash)) {
      await cache.addFailedLogin(attempts);
      throw new HttpError(401, 'wrong email or password');
    }
    res.json(tokens.issue(user));
  });

  app.post('/api/auth/refresh', json, async (req, res) => {
    const token = requireText(req.body, 'refreshToken', 4096);
    let claims;
    try {
      claims = tokens.verifyRefresh(token);
    } catch {
      throw new HttpError(401, 'invalid or expired refresh token');
    }
    const firstUse = await cache.useRefreshToken(claims.id, claims.secondsLeft).catch((error) => {
      throw Object.assign(new HttpError(503, 'token store not available'), { cause: error });
    });
    if (!firstUse) throw new HttpError(401, 'refresh token was already used');
    const user = await database.findUser(claims.email);
    if (!user) throw new HttpError(401, 'unknown user');
    res.json(tokens.issue(user));
  });

  // -- the application -----------------------------------------------------

  const authenticate = (req, res, next) => {
    const identity = identify(req.headers.authorization);
    res.locals.tenant = identity.tenant;
    next();
  };

  app.get('/api/incidents', authenticate, async (req, res) => {
    const { tenant } = res.locals;
    const { hit, list } = await cache.incidents(tenant, () => database.listIncidents(tenant, LIST_LIMIT));
    res.set('X-Cache', hit ? 'hit' : 'miss').json({ incidents: list });
  });

  app.post('/api/incidents', authenticate, json, async (req, res) => {
    const { tenant } = res.locals;
    const severity = req.body?.severity ?? 'medium';
    if (!SEVERITIES.includes(severity)) throw new HttpError(400, `severity must be one of ${SEVERITIES.join(', ')}`);
    const incident = await database.addIncident(tenant, {
      title: requireText(req.body, 'title', 200),
      description: optionalText(req.body, 'description', 10_000),
      location: optionalText(req.body, 'location', 200),
      severity,
    });
    await cache.forgetIncidents(tenant);
    live.broadcast(tenant, { type: 'incident.created', incident });
    res.status(201).json({ incident });
  });

  app.post('/api/uploads', authenticate, async (req, res) => {
    try {
      const upload = await receiveUpload(req, {
        uploadDir: config.paths.uploads,
        tmpDir: config.paths.tmp,
        maxBytes: config.uploadMaxBytes,
      });
      res.status(201).json({ upload });
    } catch (error) {
      if (!await discard(req, 2 * config.uploadMaxBytes)) res.set('Connection', 'close');
      throw error;
    }
  });

  app.get('/api/reports', authenticate, async (req, res) => {
    res.json({ reports: await listReports(config.paths.reports) });
  });

  // Uploaded files are served only as downloads.
  const files = (dir) => express.static(dir, {
    index: false,
    redirect: false,
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders: (res) => res.set({ 'Content-Disposition': 'attachment', 'Cache-Control': 'private, no-cache' }),
  });
  app.use('/uploads', route('/uploads/*'), authenticate, files(config.paths.uploads), notFound);
  app.use('/reports', route('/reports/*'), authenticate, files(config.paths.reports), notFound);
  app.get('/', route('/'), (req, res) => res.sendFile('index.html', { root: config.publicDir }));

  app.use(notFound);
  // Express recognizes an error handler by its four parameters.
  app.use((error, req, res, _next) => {
    const gone = req.socket.destroyed;
    if (res.headersSent || gone) {
      // Too late for a response: the client is gone, or has received a part of it.
      logger[gone ? 'debug' : 'error']('Request aborted', { method: req.method, path: req.path, error: error.message });
      res.destroy();
      return;
    }
    // http-errors (express.json) and our own errors carry a status and may be shown.
    const status = error.status >= 400 && error.status < 600 ? error.status : unavailable(error) ? 503 : 500;
    if (status >= 500) logger.error('Request failed', { method: req.method, path: req.path, error: (error.cause ?? error).message });
    const message = error.expose ? error.message : status === 503 ? 'temporarily unavailable' : 'internal error';
    res.status(status).json({ error: message });
  });
  return app;
}

/** Counts, times and logs every request when its response is finished or its connection is closed. */
function observe({ logger, metrics, connections }) {
  return (req, res, next) => {
    const start = process.hrtime.bigint();
    const { path, socket } = req;
    res.once('close', () => {
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      const status = res.writableFinished ? res.statusCode : CLIENT_CLOSED_REQUEST;
      // Use the pattern, never the path: a client must not be able to create new series.
      const routeName = res.locals.route ?? req.route?.path ?? 'unmatched';
      metrics.observeRequest({ method: req.method, route: routeName, status, seconds });
      connections.account(socket, res.locals.tenant ?? PUBLIC_TENANT);
      const level = QUIET_ROUTES.has(routeName) && status < 400 ? 'debug' : 'info';
      logger[level]('Request', { method: req.method, path, status, ms: (seconds * 1000).toFixed(1) });
    });
    next();
  };
}

function route(name) {
  return (req, res, next) => {
    res.locals.route = name;
    next();
  };
}

function notFound(req, res, next) {
  next(new HttpError(404, 'not found'));
}

async function check(promise) {
  try {
    await promise;
    return 'ok';
  } catch {
    return 'failed';
  }
}

/** Errors of a database that is not reachable (yet, or any longer). */
function unavailable(error) {
  return ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', '57P01', '57P03', '53300', '42P01']
    .includes(error.code) || /timeout|Connection terminated/i.test(error.message);
}

function requireText(body, name, maxLength) {
  const value = optionalText(body, name, maxLength);
  if (value === '') throw new HttpError(400, `${name} is required`);
  return value;
}

function optionalText(body, name, maxLength) {
  const value = body?.[name] ?? '';
  if (typeof value !== 'string') throw new HttpError(400, `${name} must be a text`);
  // PostgreSQL does not store NUL in text.
  if (value.length > maxLength || value.includes('\0')) throw new HttpError(400, `${name} is too long or not a text`);
  return name === 'password' ? value : value.trim();
}

module.exports = { createApp, createIdentify };
