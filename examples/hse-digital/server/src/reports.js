'use strict';

const fsp = require('node:fs/promises');
const path = require('node:path');
const { randomBytes } = require('node:crypto');
const { moveFile, temporaryName } = require('./lib/files');
const { createPdf } = require('./lib/pdf');

const SEVERITIES = ['critical', 'high', 'medium', 'low'];
// The time stamp comes first: sorted by name is sorted by age.
const REPORT_NAME = /^report-\d{8}T\d{6}Z-[0-9a-f]{8}\.pdf$/;

function reportName(date) {
  const stamp = date.toISOString().replace(/[-:]|\.\d+/g, '');
  return `report-${stamp}-${randomBytes(4).toString('hex')}.pdf`;
}

function renderReport(summary, date) {
  const bySeverity = new Map(summary.map((row) => [row.severity, row]));
  const lines = ['HSE Digital - incident summary', `Generated ${date.toISOString()}`, ''];
  for (const severity of SEVERITIES) {
    const { total = 0, recent = 0 } = bySeverity.get(severity) ?? {};
    lines.push(`${severity}: ${total} in total, ${recent} in the last 24 hours`);
  }
  return createPdf(lines);
}

/** Names of the report files, newest first. */
async function reportNames(dir) {
  const names = await fsp.readdir(dir);
  return names.filter((name) => REPORT_NAME.test(name)).sort().reverse();
}

async function listReports(dir) {
  const reports = [];
  for (const name of await reportNames(dir)) {
    try {
      const stat = await fsp.stat(path.join(dir, name));
      reports.push({ name, size: stat.size, createdAt: stat.mtime.toISOString(), url: `/reports/${name}` });
    } catch (error) {
      // Removed by the scheduler in the meantime.
      if (error.code !== 'ENOENT') throw error;
    }
  }
  return reports;
}

class ReportScheduler {
  constructor({ database, logger, reportDir, tmpDir, intervalMs, keep }) {
    Object.assign(this, { database, logger, reportDir, tmpDir, intervalMs, keep });
    this.timer = null;
    this.running = null;
    this.stopped = false;
  }

  /** The first report is written at once, the next ones an interval after the last ended. */
  start() {
    if (this.stopped) return;
    this.running = this.#run().finally(() => {
      this.running = null;
      if (!this.stopped) this.timer = setTimeout(() => this.start(), this.intervalMs);
    });
  }

  /** Starts no further report; a report in progress is finished. */
  async stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  async #run() {
    try {
      const name = await this.writeReport(new Date());
      this.logger.info('Report written', { name });
    } catch (error) {
      this.logger.error('Report failed', { error: error.message || error.code });
    }
  }

  async writeReport(date) {
    const pdf = renderReport(await this.database.summarizeIncidents(), date);
    const name = reportName(date);
    const temporary = temporaryName(this.tmpDir);
    try {
      await fsp.writeFile(temporary, pdf, { flag: 'wx', mode: 0o640 });
      await moveFile(temporary, path.join(this.reportDir, name));
    } catch (error) {
      await fsp.rm(temporary, { force: true });
      throw error;
    }
    for (const old of (await reportNames(this.reportDir)).slice(this.keep)) {
      await fsp.rm(path.join(this.reportDir, old), { force: true });
    }
    return name;
  }
}

module.exports = { ReportScheduler, listReports, renderReport };
