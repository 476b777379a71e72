'use strict';

/**
 * Tracks every client socket of an HTTP server: how many there are, which of
 * them serve a request, which became WebSockets, and how many bytes each moved.
 *
 * server.close() alone is not sufficient for a drain: it also waits for upgraded
 * sockets, and (before a first request) for connections that were only opened.
 */
class ConnectionTracker {
  #sockets = new Map();
  #draining = false;
  #onHttpIdle = null;

  constructor(server, { onTransfer = () => {}, defaultTenant }) {
    this.onTransfer = onTransfer;
    server.on('connection', (socket) => {
      this.#sockets.set(socket, {
        responses: new Set(), upgraded: false, tenant: defaultTenant, read: 0, written: 0,
      });
      socket.once('close', () => {
        this.account(socket);
        this.#sockets.delete(socket);
        this.#notify();
      });
    });
    // Registered before the application's own listener, to see every request.
    server.prependListener('request', (req, res) => this.#onRequest(req.socket, res));
  }

  get size() {
    return this.#sockets.size;
  }

  /** Counts the bytes moved since the last call, for the tenant given (or the last one). */
  account(socket, tenant) {
    const state = this.#sockets.get(socket);
    if (!state) return;
    if (tenant) state.tenant = tenant;
    const inbound = socket.bytesRead - state.read;
    const outbound = socket.bytesWritten - state.written;
    state.read += inbound;
    state.written += outbound;
    this.onTransfer(state.tenant, inbound, outbound);
  }

  markUpgraded(socket) {
    const state = this.#sockets.get(socket);
    if (state) state.upgraded = true;
    this.#notify();
  }

  /**
   * Closes idle HTTP connections, lets active requests finish and resolves when
   * no HTTP connection is left. WebSockets are not waited for.
   */
  drainHttp() {
    this.#draining = true;
    const done = new Promise((resolve) => {
      this.#onHttpIdle = resolve;
    });
    for (const [socket, state] of this.#sockets) {
      if (state.upgraded) continue;
      if (state.responses.size === 0) socket.destroySoon();
      else announceClose([...state.responses].at(-1));
    }
    this.#notify();
    return done;
  }

  #onRequest(socket, res) {
    const state = this.#sockets.get(socket);
    if (!state) return;
    state.responses.add(res);
    if (this.#draining) announceClose(res);
    res.once('close', () => {
      state.responses.delete(res);
      // destroySoon: what is still buffered for the client is sent first.
      if (this.#draining && state.responses.size === 0) socket.destroySoon();
    });
  }

  #notify() {
    if (!this.#onHttpIdle) return;
    for (const state of this.#sockets.values()) if (!state.upgraded) return;
    this.#onHttpIdle();
  }
}

function announceClose(res) {
  if (!res.headersSent) res.setHeader('Connection', 'close');
}

module.exports = { ConnectionTracker };
