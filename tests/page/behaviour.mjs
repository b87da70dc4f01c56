// What the page does: says what a fixture has, follows what changes, and bears it when the daemon does not answer.
import {checkAccessible, checkQuiet} from './generic.mjs';

// What must be read, and what must not, with each fixture.
const WORDS = {
  quiet: {has: ['Nothing collided with pinned memory in the last hour.', '226.0 GiB', 'mlx5_ib', '/mnt/datasets/llm/shard-00017.bin',
                'trainer[812]', 'No operation is held.', 'datasets-under-rdma', 'deny EBUSY', 'Lost nothing', '2d00h ago'],
          not: ['orphan', 'uncertain']},
  busy: {has: ['1 truncate met pinned memory and no policy decided in the last hour.', 'were stopped in the last hour',
               '1 munmap took addresses of pinned memory', 'truncate to 0 B of /var/lib/db/base/16384/24601', 'By rsync[81002] uid 0',
               'It waits now', 'Held for 3.2s: the pins are gone, it goes on', 'released: allow; the caller has not gone on yet',
               'Policy datasets-under-rdma: 4 pins are in the way', '0x7f21c4000000-0x7f21c4200000', '10000 pins',
               'And 180 more groups', '95 older ones not shown here', '12 older ones fell out of memory', '2 orphans, 1 leak',
               'would deny', '31 denied', '/srv/images does not exist yet', 'it sent 10 signals in a row', 'ring_full_pin 41 (made good)',
               '16 pages had', '2 pins not seen', 'hold 30s, revoke SIGUSR1 5s SIGTERM 5s SIGKILL, then deny EBUSY for truncate', '(exited)',
               '3 on-demand ranges with 48.0 GiB', '1 policy is degraded.', 'Show all 33 conflicts'],
         not: ['node7']},
  uncertain: {has: ['What is pinned is not certain: events were lost.', 'Nothing is known to have collided',
                    'ring_full_pin 1204 (the ledger is incomplete)', '1 failed', '1 hook that should be attached is not',
                    'The audit of all pins has 3m12s to go.', '96 pages had', '12 pins not seen'],
              not: ['Nothing collided']},
  no_details: {has: ['Files and owners are not shown: the daemon was not started with --page-details', 'Meets 8.0 GiB in 4 pins',
                     'mlx5_ib', 'Policy datasets-under-rdma: 4 pins are in the way', 'munmap of 2.0 MiB'],
               not: ['trainer', 'rsync', 'shard-0001', 'By owner', 'By file', ' of 0x']},
  hostile: {has: ['<img src=x onerror=alert(1)>', '<script>alert(2)</script>', '</td><b>bold[100]', '\\u202egnp.exe\\u2066',
                  '\\x1b[31mred\\x07\\x0a\\x09new line', '<b>host</b>', '__proto__', '${7*7}{{7}}', 'javascript:alert(3)', '<verdict>',
                  '1 <operation> met pinned memory'], not: ['\u202e', '\u2066', '\x1b', 'function Object']},
  empty: {has: ['Nothing collided with pinned memory since pinwardend started, ', 'Nothing is pinned for long.', 'No operation is held.',
                'No conflict since pinwardend started.', 'No policies: what meets pinned memory is told, and goes ahead.', '0 B in 0 pins'],
          not: ['orphan']},
  full: {has: ['20 operations wait for pins to go.', 'Of 1024 conflicts only the last 50 are looked at here.',
               '50 truncates met pinned memory and were stopped in the last 1m', 'Show all 50 conflicts', 'Show all 40 policies',
               'Show all 20 files', 'And 9980 more groups', '974 older ones', 'worker-0[400] mlx5_ib, worker-1[401] mlx5_ib, worker-2[402] mlx5_ib and 13 others'],
         not: []},
};

function squeezed(text) {
  return text.replace(/[ \n\u00a0]+/g, ' ');
}

function textOf(page) {
  return page.evaluate(() => document.body.innerText).then(squeezed);
}

export async function checkWords(page, checks, fixture) {
  const text = await textOf(page);
  for (const words of WORDS[fixture].has) {
    checks.that(text.includes(words), `says "${words}"`);
  }
  for (const words of WORDS[fixture].not) {
    checks.that(!text.includes(words), `does not say "${words}"`);
  }
  if (fixture === 'hostile') {
    const made = await page.evaluate(() => document.querySelectorAll('main img, main script, main i, main svg[onload], iframe').length);
    checks.that(made === 0, 'no name became an element', String(made));
    const links = await page.evaluate(() => [...document.links].map((one) => one.protocol).filter((one) => !one.startsWith('http')));
    checks.that(links.length === 0, 'no name became a link', links);
  }
}

const control = (url, what) => fetch(`${url}test/${what}`).then((answer) => answer.json());
const first = (page) => page.evaluate(() => (document.querySelector('#conflicts-text li') || document.body).innerText);
const announced = (page) => page.evaluate(() => document.getElementById('announce').textContent);

async function until(test, seconds = 12) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    if (await test()) {
      return true;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

async function checkLive(open, url, checks) {
  checks.where = 'live';
  await control(url, 'fixture?name=quiet');
  const opened = await open({size: {width: 1440, height: 900}, theme: 'light'});
  const {page, notes} = opened;
  await page.evaluate(() => { window.pwHere = true; });
  checks.that(await announced(page) === '', 'nothing is announced at first');
  checks.that(await page.getAttribute('#announce', 'role') === 'status', 'what is announced is, politely');

  // What is opened and focused stays so while the page changes.
  await page.click('summary');
  await page.focus('summary');
  const began = Date.now();
  await control(url, 'conflict');
  checks.that(await until(async () => (await first(page)).includes('vandal[666]')), 'a conflict appears by itself');
  checks.that(Date.now() - began < 3500, 'and soon', String(Date.now() - began));
  checks.that(await until(async () => (await announced(page)).includes('New conflict: allow, truncate to 0 B of ' +
      '/mnt/datasets/llm/shard-00017.bin by vandal[666]')), 'it is announced', await announced(page));
  checks.that((await textOf(page)).includes('At risk 1 truncate met pinned memory and no policy decided'), 'it is at a glance');
  checks.that((await page.title()).startsWith('At risk: node7'), 'it is in the title');
  checks.that(await page.evaluate(() => window.pwHere && document.activeElement.tagName === 'SUMMARY' && document.querySelector('details').open),
              'nothing was loaded anew, and the focus stayed');

  // Many at once are said once.
  const said = page.evaluate(() => new Promise((resolve) => {
    const texts = [];
    new MutationObserver(() => texts.push(document.getElementById('announce').textContent))
        .observe(document.getElementById('announce'), {childList: true, characterData: true, subtree: true});
    setTimeout(() => resolve(texts), 9000);
  }));
  for (let i = 0; i < 8; ++i) {
    await control(url, 'conflict');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const texts = await said;
  checks.that(texts.length >= 1 && texts.length <= 4, 'eight conflicts are few announcements', texts);
  checks.that(await page.locator('#conflicts-text li').count() === 10, 'all of them are there');

  const requests = await control(url, 'requests');
  const asked = requests.filter((one) => one.path === '/page.json').slice(-6);
  checks.that(asked.every((one) => one.if_none_match !== ''), 'it says what it has', asked);
  const gaps = asked.slice(1).map((one, i) => one.time - asked[i].time);
  checks.that(gaps.every((gap) => gap > 0.8 && gap < 2.5), 'it asks each second', gaps);
  checks.that(notes.responses.some((response) => response.status() === 304), 'what has not changed is not sent again');

  const before = await page.evaluate(() => document.querySelector('#conflicts-text time').textContent);
  checks.that(await until(async () => before !== await page.evaluate(() => document.querySelector('#conflicts-text time').textContent)),
              'ages grow while nothing changes');
  const title = await page.getAttribute('#conflicts-text time', 'title');
  checks.that(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/.test(title), 'the exact time is there', title);
  await checkQuiet(opened, checks);
  await opened.close();
}

async function checkControls(open, url, checks) {
  checks.where = 'controls';
  await control(url, 'fixture?name=busy');
  const opened = await open({size: {width: 360, height: 740}, theme: 'dark'});
  const {page} = opened;
  const rows = () => page.locator('#conflicts-text li').count();
  checks.that(await rows() === 10, 'the first ten conflicts');
  await page.focus('[data-more=conflicts]');
  await page.keyboard.press('Enter');
  checks.that(await rows() === 33, 'Enter shows all');
  checks.that(await page.getAttribute('[data-more=conflicts]', 'aria-expanded') === 'true', 'and says so');
  await page.keyboard.press('Space');
  checks.that(await rows() === 10, 'Space shows fewer again');

  await page.click('#pause');
  checks.that((await textOf(page)).includes('Paused at') && (await page.innerText('#pause')) === 'Resume', 'Pause pauses');
  await new Promise((resolve) => setTimeout(resolve, 1200));
  const number = (await control(url, 'requests')).length;
  await new Promise((resolve) => setTimeout(resolve, 2500));
  checks.that((await control(url, 'requests')).length === number, 'nothing is asked while paused');
  await page.click('#pause');
  checks.that(await until(async () => (await control(url, 'requests')).length > number), 'Resume asks again');

  await page.focus('.skip');
  checks.that((await page.locator('.skip').boundingBox()).y >= 0, 'the skip link can be seen when focused');
  await page.keyboard.press('Enter');
  checks.that(await page.evaluate(() => document.activeElement.id) === 'main', 'and leads to the main part');
  await checkQuiet(opened, checks);
  await opened.close();

  const still = await open({size: {width: 1440, height: 900}, theme: 'light', motion: 'reduce'});
  await control(url, 'conflict');
  await until(async () => (await first(still.page)).includes('vandal[666]'));
  checks.that(await still.page.evaluate(() => getComputedStyle(document.querySelector('.fresh')).animationName) === 'none',
              'nothing moves for who wants that');
  await still.close();
}

// Chromium tells pages that they are hidden only when another one is in front, which headless ones never are.
async function checkHidden(open, url, checks) {
  checks.where = 'hidden';
  const opened = await open({size: {width: 1440, height: 900}, theme: 'light'});
  const hide = (hidden) => opened.page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', {configurable: true, get: () => value});
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  const number = (await control(url, 'requests')).length;
  await new Promise((resolve) => setTimeout(resolve, 2500));
  checks.that((await control(url, 'requests')).length === number, 'nothing is asked while nobody looks');
  await hide(false);
  checks.that(await until(async () => (await control(url, 'requests')).length > number, 1), 'it asks at once when somebody does');
  await opened.close();
}

async function checkSilence(open, url, checks, axe) {
  const says = {503: 'It says 503: the pipeline does not answer', close: 'what is shown is from then', garbage: 'What it says is not understood.',
                slow: 'It takes too long.'};
  for (const [how, words] of Object.entries(says)) {
    checks.where = `answer ${how}`;
    await control(url, 'fixture?name=busy');
    const theme = how === 'close' ? 'dark' : 'light';
    const opened = await open({size: {width: 360, height: 740}, theme});
    const {page} = opened;
    await control(url, `answer?how=${how}`);
    if (how === 'slow') {
      checks.that(await until(async () => /^Live, .*, waiting for [3-9]s$/.test(await page.innerText('#connection'))),
                  'it says that it waits', await page.innerText('#connection'));
    }
    checks.that(await until(async () => /No answer since .*: what is shown is from then/.test(await page.innerText('#connection')), 20),
                'it says since when', await page.innerText('#connection'));
    checks.that((await page.innerText('#connection')).includes(words), 'and why', await page.innerText('#connection'));
    checks.that((await textOf(page)).includes('/mnt/datasets/llm/shard-00017.bin'), 'the last data stays');
    checks.that(await page.evaluate(() => getComputedStyle(document.querySelector('main')).filter) === 'grayscale(1)', 'greyed out');
    await checkAccessible(page, checks, axe);
    checks.that(await page.evaluate(() => document.documentElement.scrollWidth <= 360), 'and no wider');
    if (how === 'close') {
      checks.that(await until(async () => (await announced(page)).includes('No answer from pinwardend.')), 'it is announced');
      await new Promise((resolve) => setTimeout(resolve, 6000));
      const asked = (await control(url, 'requests')).filter((one) => one.path === '/page.json').slice(-3);
      checks.that(asked[2].time - asked[1].time > 3, 'it asks less often', asked);
    }
    await control(url, 'answer?how=well');
    checks.that(await until(async () => (await page.innerText('#connection')).startsWith('Live'), 20), 'and goes on by itself');
    const violations = await page.evaluate(() => window.pwViolations);
    checks.that(violations.length === 0 && opened.notes.foreign.length === 0, 'nothing against the security policy', violations);
    await opened.close();
  }
}

// A daemon that starts anew counts conflicts from 1 on.
async function checkRestart(open, url, checks) {
  checks.where = 'restart';
  await control(url, 'fixture?name=busy');
  const opened = await open({size: {width: 1440, height: 900}, theme: 'dark'});
  await control(url, 'fixture?name=empty');
  checks.that(await until(async () => (await textOf(opened.page)).includes('No conflict since pinwardend started.')), 'all is gone');
  await control(url, 'conflict');
  checks.that(await until(async () => (await announced(opened.page)).startsWith('New conflict')), 'the first conflict is announced',
              await announced(opened.page));
  await checkQuiet(opened, checks);
  await opened.close();
}

export async function checkBehaviour(open, url, checks, axe) {
  for (const check of [checkLive, checkControls, checkHidden, checkSilence, checkRestart]) {
    try {
      await check(open, url, checks, axe);
    } catch (error) {
      checks.that(false, 'the checks came to their end', String(error.stack));
    }
    await control(url, 'answer?how=well');
  }
}
