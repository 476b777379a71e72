'use strict';

const crypto = require('node:crypto');
const { promisify } = require('node:util');
const jwt = require('jsonwebtoken');

const scrypt = promisify(crypto.scrypt);
const KEY_LENGTH = 32;
const ISSUER = 'hse-digital';

async function hashPassword(password) {
  const salt = crypto.randomBytes(16);
  const key = await scrypt(password, salt, KEY_LENGTH);
  return `scrypt$${salt.toString('base64')}$${key.toString('base64')}`;
}

// Compared when the user does not exist, so that the response takes the same time.
const NO_SUCH_USER = `scrypt$${crypto.randomBytes(16).toString('base64')}$${crypto.randomBytes(KEY_LENGTH).toString('base64')}`;

async function verifyPassword(password, stored = NO_SUCH_USER) {
  const [, salt, expected] = stored.split('$').map((part, index) => (index === 0 ? part : Buffer.from(part, 'base64')));
  const key = await scrypt(password, salt, expected.length);
  return crypto.timingSafeEqual(key, expected);
}

/** Issues and checks tokens; access and refresh tokens have different keys and audiences. */
class Tokens {
  constructor(config) {
    this.access = { secret: config.accessSecret, ttl: config.accessTtlSeconds, audience: 'access' };
    this.refresh = { secret: config.refreshSecret, ttl: config.refreshTtlSeconds, audience: 'refresh' };
  }

  #sign(kind, { email, tenant }) {
    return jwt.sign({ tenant }, kind.secret, {
      algorithm: 'HS256',
      issuer: ISSUER,
      audience: kind.audience,
      subject: email,
      expiresIn: kind.ttl,
      jwtid: crypto.randomUUID(),
    });
  }

  #verify(kind, token) {
    return jwt.verify(token, kind.secret, { algorithms: ['HS256'], issuer: ISSUER, audience: kind.audience });
  }

  issue(user) {
    return {
      tokenType: 'Bearer',
      accessToken: this.#sign(this.access, user),
      expiresIn: this.access.ttl,
      refreshToken: this.#sign(this.refresh, user),
    };
  }

  /** Returns { email, tenant }; throws when the token is not valid. */
  verifyAccess(token) {
    const claims = this.#verify(this.access, token);
    return { email: claims.sub, tenant: claims.tenant };
  }

  verifyRefresh(token) {
    const claims = this.#verify(this.refresh, token);
    return {
      email: claims.sub,
      id: claims.jti,
      secondsLeft: claims.exp - Math.floor(Date.now() / 1000),
    };
  }
}

/** The token of an Authorization header, undefined when there is none. */
function bearerToken(header) {
  return /^Bearer\s+(\S+)$/i.exec(header ?? '')?.[1];
}

module.exports = { Tokens, hashPassword, verifyPassword, bearerToken };
