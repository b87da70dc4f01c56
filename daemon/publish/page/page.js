// Asks pinwardend every second what it knows, and has view.js draw it.
'use strict';

const EVERY = 1000;     // milliseconds between an answer and the next question
const SLOWEST = 15000;  // the same, while there is no answer
const PATIENCE = 10000; // how long an answer may take; a host in trouble is slow, and then most worth looking at
const LATE = 3000;      // after this it is said that one is waited for
const QUIET = 4000;     // at most one announcement in this time

let page = null;      // the last answer
let mark = '';        // its ETag
let taken = 0;        // Date.now() when it came: ages go by the daemon's clock, and by how long ago that was
let heard = 0;        // Date.now() when there last was an answer, be it that nothing has changed
let trouble = '';     // why there is none now
let failures = 0;     // in a row
let paused = false;
let timer = 0;
let asking = null;    // what aborts the question that is under way
let asked = 0;        // Date.now() when it was put

function drawAll() {
  if (!page) {
    return;
  }
  // Without answers, time stands still: what is shown is what was.
  const now = instant(page.taken) + (heard - taken);
  document.getElementById('host').textContent = 'on ' + visible(page.host);
  drawGlance(page, now);
  drawHolds(page, now);
  drawConflicts(page, now);
  drawPinned(page, now);
  drawPolicies(page);
  drawWatching(page);
  document.getElementById('main').setAttribute('aria-busy', 'false');
}

function drawConnection() {
  const clock = heard ? new Date(heard).toLocaleTimeString() : '';
  const silent = failures > 0;
  document.body.className = silent ? 'silent' : paused ? 'paused' : 'live';
  const waited = asking ? Date.now() - asked : 0;
  let text = 'Live, ' + clock + (waited > LATE ? ', waiting for ' + humanAge(waited / 1000) : '');
  if (silent) {
    text = heard ? 'No answer since ' + clock + ' (' + humanAge((Date.now() - heard) / 1000) + '): what is shown is from then. '
                 : 'No answer from pinwardend. ';
    text += trouble;
  } else if (paused) {
    text = 'Paused at ' + clock + '.';
  } else if (!heard) {
    text = 'Asking pinwardend …';
  }
  part('connection', text);
  const button = document.getElementById('pause');
  button.hidden = false;
  part('pause', paused ? 'Resume' : 'Pause');
}

let unsaid = [];
let said = 0;
let sayer = 0;

// For screen readers: what is new, in one sentence, not more often than every few seconds.
function announce(sentence) {
  unsaid.push(sentence);
  if (!sayer) {
    sayer = setTimeout(() => {
      const others = unsaid.length - 1;
      part('announce', unsaid[others] + (others > 0 ? ' And ' + counted(others, 'more change') + ' before.' : ''));
      unsaid = [];
      said = Date.now();
      sayer = 0;
    }, Math.max(0, said + QUIET - Date.now()));
  }
}

function announceNews(before, after) {
  if (before && before.status.ledger_certain !== after.status.ledger_certain) {
    announce(after.status.ledger_certain ? 'The ledger is certain again.' : 'The ledger is uncertain now.');
  }
  // Numbers begin anew with each start of the daemon.
  const known = before && before.status.start_time === after.status.start_time
      ? Math.max(0, ...before.conflicts.conflicts.map((past) => count(past.number))) : 0;
  const newest = (after.conflicts.conflicts || [])[0];
  if (!before || !newest || count(newest.number) <= known) {
    return;
  }
  const number = count(newest.number) - known;
  const {conflict} = newest;
  announce((number === 1 ? 'New conflict: ' : number + ' new conflicts, the last: ') + verdictText(conflict) + ', ' +
           operationText(conflict) + plain(placeText(conflict).length > 0 ? [' of ', placeText(conflict)] : '') +
           plain(conflict.caller ? [' by ', processName(conflict.caller)] : '') + '.');
}

function take(answer) {
  if (!answer || !answer.status || !answer.taken) {
    throw new Error('not a page');
  }
  answer.conflicts = answer.conflicts || {};
  answer.conflicts.conflicts = answer.conflicts.conflicts || [];
  const before = page;
  page = answer;
  taken = heard = Date.now();
  drawAll();
  announceNews(before, answer);
}

async function ask() {
  asking = new AbortController();
  asked = Date.now();
  const limit = setTimeout(() => asking.abort(), PATIENCE);
  const {signal} = asking;
  let answer = null;
  try {
    answer = await fetch('page.json', {cache: 'no-store', redirect: 'error', signal,
                                             headers: mark ? {'If-None-Match': mark} : {}});
    if (answer.status === 304 && page) {
      heard = Date.now();
    } else if (answer.ok) {
      take(await answer.json());
      mark = answer.headers.get('ETag') || '';
    } else {
      throw new Error('It says ' + answer.status + ': ' + visible((await answer.text()).slice(0, 200)).trim());
    }
    if (failures > 1) {
      announce('pinwardend answers again.');
    }
    failures = 0;
  } catch (error) {
    mark = '';
    ++failures;
    trouble = signal.aborted ? 'It takes too long.' : !answer ? '' : answer.ok ? 'What it says is not understood.' : error.message;
    if (failures === 2) {
      announce('No answer from pinwardend. What is shown is old.');
    }
  } finally {
    clearTimeout(limit);
    asking = null;
  }
}

// One question after the other, and none while nobody looks.
async function go() {
  clearTimeout(timer);
  if (paused || document.hidden || asking) {
    return;
  }
  await ask();
  drawConnection();
  timer = setTimeout(go, Math.min(SLOWEST, EVERY * 2 ** Math.min(failures, 10)));
}

document.addEventListener('visibilitychange', go);

document.getElementById('pause').addEventListener('click', () => {
  paused = !paused;
  drawConnection();
  go();
});

document.addEventListener('click', (event) => {
  const name = event.target.dataset && event.target.dataset.more;
  if (name) {
    if (!shownInFull.delete(name)) {
      shownInFull.add(name);
    }
    drawAll();
  }
});

// Ages grow also while nothing changes.
setInterval(() => {
  if (!document.hidden) {
    drawConnection();
    if (failures === 0 && !paused) {
      drawAll();
    }
  }
}, 1000);

go();
