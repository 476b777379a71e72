'use strict';

const client = require('prom-client');

const PREFIX = 'hse_digital_';
const PUBLIC_TENANT = 'public';
const DIRECTIONS = ['inbound', 'outbound'];
const OPERATIONS = ['select', 'insert', 'update', 'delete', 'other'];
const GC_KINDS = ['major', 'minor', 'incremental', 'weakcb'];

/**
 * All metrics of the application in a separate registry. Labelled series are
 * created with the value 0 at once: rate() needs a first sample, and a
 * dashboard must not be empty before the first request.
 */
function createMetrics({ countConnections = () => 0 } = {}) {
  const registry = new client.Registry();
  const registers = [registry];

  client.collectDefaultMetrics({ register: registry, prefix: PREFIX });
  const gc = registry.getSingleMetric(`${PREFIX}nodejs_gc_duration_seconds`);
  for (const kind of GC_KINDS) gc.zero({ kind });

  const httpRequests = new client.Counter({
    name: `${PREFIX}http_requests_total`,
    help: 'HTTP requests answered, by method, route pattern and status code.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const httpDuration = new client.Histogram({
    name: `${PREFIX}http_request_duration_seconds`,
    help: 'Time from the request headers to the end of the response.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const firstSeries = { method: 'GET', route: '/api/health', status: '200' };
  httpRequests.inc(firstSeries, 0);
  httpDuration.zero(firstSeries);

  const transfer = new client.Counter({
    name: `${PREFIX}tenant_data_transfer_bytes_total`,
    help: 'Bytes on HTTP and WebSocket connections, by direction and tenant.',
    labelNames: ['direction', 'tenant'],
    registers,
  });
  for (const direction of DIRECTIONS) transfer.inc({ direction, tenant: PUBLIC_TENANT }, 0);

  const queries = new client.Counter({
    name: `${PREFIX}database_queries_total`,
    help: 'Statements sent to PostgreSQL, by operation.',
    labelNames: ['operation'],
    registers,
  });
  for (const operation of OPERATIONS) queries.inc({ operation }, 0);

  new client.Gauge({
    name: `${PREFIX}active_connections`,
    help: 'Open client connections, HTTP and WebSocket.',
    registers,
    collect() {
      this.set(countConnections());
    },
  });

  return {
    registry,
    observeRequest({ method, route, status, seconds }) {
      const labels = { method, route, status: String(status) };
      httpRequests.inc(labels);
      httpDuration.observe(labels, seconds);
    },
    countTransfer(tenant, inbound, outbound) {
      if (inbound > 0) transfer.inc({ direction: 'inbound', tenant }, inbound);
      if (outbound > 0) transfer.inc({ direction: 'outbound', tenant }, outbound);
    },
    countQuery(operation) {
      queries.inc({ operation: OPERATIONS.includes(operation) ? operation : 'other' });
    },
  };
}

module.exports = { createMetrics, PUBLIC_TENANT };
