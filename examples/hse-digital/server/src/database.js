'use strict';

const { Pool } = require('pg');
const { sleep, withTimeout } = require('./lib/async');

const HEALTH_TIMEOUT_MS = 2000;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 3000;
// Any constant works: it only prevents replicas from creating the schema at the same time.
const SCHEMA_LOCK = 728_301_554;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    tenant        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE IF NOT EXISTS incidents (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text NOT NULL,
    title       text NOT NULL,
    description text NOT NULL DEFAULT '',
    severity    text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    location    text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
  );
  CREATE INDEX IF NOT EXISTS incidents_tenant_newest ON incidents (tenant, id DESC);
`;

const INCIDENT_COLUMNS = 'id::int, title, description, severity, location, created_at AS "createdAt"';

class Database {
  constructor(config, { logger, onQuery = () => {} }) {
    this.config = config;
    this.logger = logger;
    this.onQuery = onQuery;
    this.ready = false;
    this.pool = new Pool({
      host: config.host,
      port: config.port,
      database: config.name,
      user: config.user,
      password: config.password,
      max: config.poolSize,
      connectionTimeoutMillis: 3000,
      idleTimeoutMillis: 30_000,
      query_timeout: 10_000,
      statement_timeout: 10_000,
      keepAlive: true,
      application_name: 'hse-digital',
    });
    // An idle connection may break at any time (server restart); the pool replaces it.
    this.pool.on('error', (error) => logger.warn('Idle database connection lost', { error: error.message }));
  }

  async query(text, values) {
    return this.#run(this.pool, text, values);
  }

  #run(client, text, values) {
    this.onQuery(/^\s*([a-z]+)/i.exec(text)?.[1].toLowerCase());
    return client.query(text, values);
  }

  /** Waits (bounded) until PostgreSQL answers, then creates the schema. */
  async start(signal) {
    const deadline = Date.now() + this.config.startTimeoutMs;
    for (let attempt = 1, pause = RETRY_FIRST_MS; ; attempt += 1, pause = Math.min(pause * 2, RETRY_MAX_MS)) {
      try {
        await this.#createSchema();
        this.ready = true;
        this.logger.info('Database ready', { attempts: attempt });
        return;
      } catch (error) {
        if (signal?.aborted) return;
        const reason = error.message || error.code;
        if (Date.now() + pause >= deadline) {
          throw new Error(`database not usable after ${attempt} attempts: ${reason}`, { cause: error });
        }
        this.logger.warn('Database not ready, retrying', { attempt, error: reason });
      }
      await sleep(pause, signal);
      if (signal?.aborted) return;
    }
  }

  async #createSchema() {
    const client = await this.pool.connect();
    let failure;
    try {
      await this.#run(client, 'BEGIN');
      await this.#run(client, 'SELECT pg_advisory_xact_lock($1)', [SCHEMA_LOCK]);
      await this.#run(client, SCHEMA);
      await this.#run(client, 'COMMIT');
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      // A failed client is discarded, so that no open transaction returns to the pool.
      client.release(failure);
    }
  }

  async ping() {
    if (!this.ready) throw new Error('schema not ready');
    await withTimeout(this.query('SELECT 1'), HEALTH_TIMEOUT_MS, 'database');
  }

  async close() {
    await this.pool.end();
  }

  // -- users ---------------------------------------------------------------

  async findUser(email) {
    const { rows } = await this.query('SELECT id::int, email, password_hash, tenant FROM users WHERE email = $1', [email]);
    return rows[0];
  }

  async saveUser({ email, passwordHash, tenant }) {
    await this.query(
      `INSERT INTO users (email, password_hash, tenant) VALUES ($1, $2, $3)
       ON CONFLICT (email) DO UPDATE SET password_hash = EXCLUDED.password_hash, tenant = EXCLUDED.tenant`,
      [email, passwordHash, tenant],
    );
  }

  // -- incidents -----------------------------------------------------------

  async listIncidents(tenant, limit) {
    const { rows } = await this.query(
      `SELECT ${INCIDENT_COLUMNS} FROM incidents WHERE tenant = $1 ORDER BY id DESC LIMIT $2`,
      [tenant, limit],
    );
    return rows;
  }

  async addIncident(tenant, { title, description, severity, location }) {
    const { rows } = await this.query(
      `INSERT INTO incidents (tenant, title, description, severity, location)
       VALUES ($1, $2, $3, $4, $5) RETURNING ${INCIDENT_COLUMNS}`,
      [tenant, title, description, severity, location],
    );
    return rows[0];
  }

  /** Totals over all tenants, for the periodic report. */
  async summarizeIncidents() {
    const { rows } = await this.query(
      `SELECT severity, count(*)::int AS total,
              (count(*) FILTER (WHERE created_at > now() - interval '24 hours'))::int AS recent
       FROM incidents GROUP BY severity`,
    );
    return rows;
  }
}

module.exports = { Database };
