// Drives the status page in headless Chromium: with every fixture of fake_daemon.py, or against a daemon that runs.
//
//   node run.mjs                          all of it
//   node run.mjs --url http://HOST:PORT/  what must hold of any daemon's page
//   node run.mjs --fixture NAME           only what must hold with that one
//   node run.mjs --behaviour              only what it does while things change
//   node run.mjs --screenshots FOLDER     only takes pictures of the fixtures
//
// CHROMIUM says which browser, /usr/bin/chromium if it says nothing.
import {spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {chromium} from 'playwright-core';

import {checkBehaviour, checkWords} from './behaviour.mjs';
import {checkKeyboard, checkLoaded, SIZES, THEMES} from './generic.mjs';

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const FIXTURES = ['quiet', 'busy', 'uncertain', 'no_details', 'hostile', 'empty', 'full'];
const AXE = readFileSync(path.join(FOLDER, 'node_modules/axe-core/axe.min.js'), 'utf8');

// Counts what holds, and tells what does not.
class Checks {
  passed = 0;
  failed = 0;
  where = '';

  that(holds, what, more = '') {
    if (holds) {
      ++this.passed;
    } else {
      ++this.failed;
      console.log(`FAILED ${this.where}: ${what} ${typeof more === 'string' ? more : JSON.stringify(more)}`);
    }
  }
}

function startDaemon() {
  const daemon = spawn('python3', [path.join(FOLDER, 'fake_daemon.py')], {stdio: ['ignore', 'pipe', 'inherit']});
  return new Promise((resolve, reject) => {
    daemon.once('error', reject);
    daemon.once('exit', (code) => reject(new Error(`fake_daemon.py ended with ${code}`)));
    daemon.stdout.once('data', (text) => resolve({daemon, url: String(text).trim()}));
  });
}

// A page of its own, and all that it must not do, noted.
async function open(browser, url, {size, theme, motion = 'no-preference'}) {
  const context = await browser.newContext({viewport: size, colorScheme: theme, reducedMotion: motion});
  const page = await context.newPage();
  const notes = {console: [], foreign: [], responses: []};
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) {
      notes.console.push(message.text());
    }
  });
  page.on('pageerror', (error) => notes.console.push(String(error)));
  page.on('dialog', (dialog) => {
    notes.console.push('a dialog: ' + dialog.message());
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) {
      notes.foreign.push(request.url());
    }
  });
  page.on('response', (response) => notes.responses.push(response));
  await page.addInitScript(() => {
    window.pwViolations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
      window.pwViolations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  });
  // A machine that also builds may take its time.
  await page.goto(url, {timeout: 60000});
  await page.waitForSelector('main[aria-busy=false]', {timeout: 60000}).catch(async () => {
    const state = await page.innerText('header').catch(String);
    throw new Error(`the page shows no data: ${state.replaceAll('\n', ' ')} ${notes.console.join('; ')} ` +
                    notes.responses.map((response) => `${response.status()} ${response.url()}`).join(', '));
  });
  return {page, notes, close: () => context.close()};
}

async function eachLook(browser, url, checks, name, also) {
  for (const size of SIZES) {
    for (const theme of THEMES) {
      checks.where = `${name} ${size.width}x${size.height} ${theme}`;
      try {
        const opened = await open(browser, url, {size, theme});
        await checkLoaded(opened, checks, AXE, theme);
        await also(opened, size, theme);
        await opened.close();
      } catch (error) {
        checks.that(false, 'the checks came to their end', String(error.stack));
      }
    }
  }
  console.log(`${name}: ${checks.passed} passed, ${checks.failed} failed so far, after ${Math.round(performance.now() / 1000)} s`);
}

async function takePictures(browser, url, folder) {
  const pictures = [['quiet', 'light', 1440, 900], ['quiet', 'dark', 360, 740], ['busy', 'light', 1440, 1200], ['busy', 'dark', 1920, 1080]];
  for (const [fixture, theme, width, height] of pictures) {
    await fetch(`${url}test/fixture?name=${fixture}`);
    const opened = await open(browser, url, {size: {width, height}, theme, motion: 'reduce'});
    await opened.page.screenshot({path: path.join(folder, `page-${fixture}-${theme}.png`)});
    await opened.close();
  }
}

const {values: options} = parseArgs({
  options: {url: {type: 'string'}, fixture: {type: 'string'}, behaviour: {type: 'boolean'}, screenshots: {type: 'string'}},
});
const checks = new Checks();
const started = options.url ? {url: options.url.replace(/\/*$/, '/')} : await startDaemon();
const {url} = started;
// Containers and root have no sandbox for it; all it loads comes from this machine.
const browser = await chromium.launch({executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox']});
try {
  if (options.screenshots) {
    await takePictures(browser, url, options.screenshots);
  } else if (options.url) {
    await eachLook(browser, url, checks, 'daemon', (opened, size) => checkKeyboard(opened.page, checks, size));
  } else {
    for (const fixture of options.behaviour ? [] : options.fixture ? [options.fixture] : FIXTURES) {
      await fetch(`${url}test/fixture?name=${fixture}`);
      await eachLook(browser, url, checks, fixture, async (opened, size, theme) => {
        await checkWords(opened.page, checks, fixture);
        if (theme === THEMES[0]) {
          await checkKeyboard(opened.page, checks, size);
        }
      });
    }
    if (!options.fixture) {
      await checkBehaviour((look) => open(browser, url, look), url, checks, AXE);
    }
  }
} finally {
  await browser.close();
  if (started.daemon) {
    started.daemon.removeAllListeners('exit');
    started.daemon.kill();
  }
}
console.log(`${checks.passed} passed, ${checks.failed} failed`);
process.exitCode = checks.failed > 0 || (checks.passed === 0 && !options.screenshots) ? 1 : 0;
