'use strict';

const fsp = require('node:fs/promises');
const path = require('node:path');
const { constants } = require('node:fs');
const { randomUUID } = require('node:crypto');

const PARTIAL_SUFFIX = '.part';
const STALE_AFTER_MS = 60 * 60 * 1000;

/**
 * Moves a finished temporary file to its destination. The two usually live on
 * different mounts (a tmpfs and a volume), where rename(2) fails with EXDEV.
 * Then the content is copied to a hidden file next to the destination and
 * renamed there, so that a reader never sees an incomplete file.
 */
async function moveFile(source, destination, fs = fsp) {
  try {
    await fs.rename(source, destination);
    return;
  } catch (error) {
    if (error.code !== 'EXDEV') throw error;
  }
  const partial = path.join(path.dirname(destination), `.${randomUUID()}${PARTIAL_SUFFIX}`);
  try {
    await fs.copyFile(source, partial, constants.COPYFILE_EXCL);
    await fs.rename(partial, destination);
  } catch (error) {
    await fs.rm(partial, { force: true });
    throw error;
  }
  await fs.rm(source, { force: true });
}

function temporaryName(dir) {
  return path.join(dir, `${randomUUID()}${PARTIAL_SUFFIX}`);
}

/** Removes the temporary files of a killed process; recent files may belong to a live replica. */
async function removeStalePartials(dir, now = Date.now()) {
  let removed = 0;
  for (const name of await fsp.readdir(dir)) {
    if (!name.endsWith(PARTIAL_SUFFIX)) continue;
    const file = path.join(dir, name);
    try {
      const stat = await fsp.lstat(file);
      if (!stat.isFile() || now - stat.mtimeMs < STALE_AFTER_MS) continue;
      await fsp.rm(file);
      removed += 1;
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return removed;
}

/** Creates the directories where possible; returns the problems, one per directory. */
async function prepareDirectories(dirs) {
  const problems = [];
  for (const dir of dirs) {
    try {
      await fsp.mkdir(dir, { recursive: true });
      // Really write: access(2) does not detect quotas or a full disk.
      const probe = temporaryName(dir);
      await fsp.writeFile(probe, 'probe', { flag: 'wx', mode: 0o600 });
      await fsp.rm(probe);
      await removeStalePartials(dir);
    } catch (error) {
      problems.push({ dir, error });
    }
  }
  return problems;
}

module.exports = { moveFile, temporaryName, prepareDirectories, removeStalePartials };
