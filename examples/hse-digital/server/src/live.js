'use strict';

const { WebSocketServer, WebSocket } = require('ws');

const HEARTBEAT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 3000;
const MAX_CLIENTS = 1000;
const MAX_BUFFERED_BYTES = 1024 * 1024;
const GOING_AWAY = 1001;

/** The /ws endpoint: notifies every client of a tenant about that tenant's new incidents. */
class LiveUpdates {
  constructor({ connections, identify, isDraining, logger }) {
    Object.assign(this, { connections, identify, isDraining, logger });
    this.wss = new WebSocketServer({ noServer: true, maxPayload: 4096, clientTracking: true });
    this.heartbeat = setInterval(() => this.#checkClients(), HEARTBEAT_MS);
    this.heartbeat.unref();
  }

  attach(server) {
    server.on('upgrade', (req, socket, head) => this.#onUpgrade(req, socket, head));
  }

  broadcast(tenant, event) {
    const text = JSON.stringify(event);
    for (const ws of this.wss.clients) {
      if (ws.tenant !== tenant || ws.readyState !== WebSocket.OPEN) continue;
      if (ws.bufferedAmount > MAX_BUFFERED_BYTES) {
        // The client reads slower than we write: disconnect it, so that it does not fill our memory.
        ws.terminate();
      } else {
        ws.send(text);
      }
    }
  }

  /** Closes every connection gracefully; a client that does not respond in time is disconnected. */
  async close() {
    clearInterval(this.heartbeat);
    const gone = [...this.wss.clients].map((ws) => new Promise((resolve) => {
      ws.once('close', resolve);
      ws.close(GOING_AWAY, 'server shutting down');
    }));
    const cutOff = setTimeout(() => {
      for (const ws of this.wss.clients) ws.terminate();
    }, CLOSE_TIMEOUT_MS);
    await Promise.all(gone);
    clearTimeout(cutOff);
    await new Promise((resolve) => {
      this.wss.close(resolve);
    });
  }

  #onUpgrade(req, socket, head) {
    socket.on('error', () => socket.destroy());
    const url = new URL(req.url, 'http://localhost');
    if (url.pathname !== '/ws') return refuse(socket, '404 Not Found');
    if (this.isDraining() || this.wss.clients.size >= MAX_CLIENTS) return refuse(socket, '503 Service Unavailable');

    let identity;
    try {
      // Browsers cannot set headers on a WebSocket, hence the query parameter.
      identity = this.identify(req.headers.authorization, url.searchParams.get('access_token'));
    } catch {
      return refuse(socket, '401 Unauthorized');
    }
    this.connections.markUpgraded(socket);
    this.wss.handleUpgrade(req, socket, head, (ws) => this.#welcome(ws, socket, identity.tenant));
  }

  #welcome(ws, socket, tenant) {
    ws.tenant = tenant;
    ws.alive = true;
    this.connections.account(socket, tenant);
    ws.on('pong', () => {
      ws.alive = true;
    });
    ws.on('message', (data) => {
      ws.alive = true;
      // For clients that cannot send protocol pings; anything else is ignored.
      if (isPing(data)) ws.send(JSON.stringify({ type: 'pong' }));
    });
    ws.on('error', (error) => this.logger.debug('WebSocket error', { error: error.message }));
    ws.socketForAccounting = socket;
    ws.send(JSON.stringify({ type: 'hello', tenant }));
  }

  #checkClients() {
    for (const ws of this.wss.clients) {
      this.connections.account(ws.socketForAccounting);
      if (!ws.alive) {
        ws.terminate();
        continue;
      }
      ws.alive = false;
      ws.ping();
    }
  }
}

function isPing(data) {
  try {
    return JSON.parse(data.toString())?.type === 'ping';
  } catch {
    return false;
  }
}

function refuse(socket, status) {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
}

module.exports = { LiveUpdates };
