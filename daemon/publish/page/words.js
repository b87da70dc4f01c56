// What the page says, and how: data of pinwardend in, words out. As pinctl says it (cli/render*.cpp), where pinctl says it.
// Nothing in here touches the document. A piece of text is a string of ours, or a node: {tag, attributes, children}.
'use strict';

const HOUR = 3600;
const MOST_CHARACTERS = 160;  // of one name; a path may have 4,096

function node(tag, attributes, ...children) {
  return {tag, attributes: attributes || {}, children};
}

// uint64 is a string in protobuf's JSON. Doubles are exact enough for all that is only shown.
function count(text) {
  return Number(text || 0);
}

// C0 and C1 controls; marks, embeddings, overrides and isolates of the bidirectional algorithm; line separators; halves of
// surrogates (not whole pairs: that is what the u is for). What processes call themselves and their files may hold anything.
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;

function visible(text) {
  return String(text || '').replace(HARMFUL, (letter) => {
    const code = letter.charCodeAt(0);
    return code < 0x80 ? '\\x' + code.toString(16).padStart(2, '0') : '\\u' + code.toString(16).padStart(4, '0');
  });
}

// A name of somebody else's. <bdi> keeps its direction of writing from the words around it; of a long one the middle goes.
function foreign(text) {
  const whole = visible(text);
  const letters = Array.from(whole);
  if (letters.length <= MOST_CHARACTERS) {
    return node('bdi', {}, whole);
  }
  const half = MOST_CHARACTERS / 2;
  return node('bdi', {title: letters.slice(0, 4096).join('')},
              letters.slice(0, half).join('') + ' … ' + letters.slice(-half).join(''));
}

// All the text of pieces, for what is read out or compared.
function plain(pieces) {
  if (Array.isArray(pieces)) {
    return pieces.map(plain).join('');
  }
  return pieces && pieces.tag ? plain(pieces.children) : String(pieces ?? '');
}

function counted(number, noun) {
  return number + ' ' + noun + (number === 1 ? '' : 's');
}

function sum(list, what) {
  return (list || []).reduce((total, item) => total + count(what(item)), 0);
}

function joined(list, separator = ', ') {
  return list.flatMap((piece, i) => (i === 0 ? [piece] : [separator, piece]));
}

function humanBytes(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let value = count(bytes);
  let unit = 0;
  for (; value >= 1023.95 && unit + 1 < units.length; ++unit) {
    value /= 1024;
  }
  return (unit === 0 ? value : value.toFixed(1)) + ' ' + units[unit];
}

function humanAge(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const two = (number) => String(Math.floor(number)).padStart(2, '0');
  if (total < 60) {
    return total + 's';
  }
  if (total < HOUR) {
    return Math.floor(total / 60) + 'm' + two(total % 60) + 's';
  }
  if (total < 86400) {
    return Math.floor(total / HOUR) + 'h' + two(total / 60 % 60) + 'm';
  }
  return Math.floor(total / 86400) + 'd' + two(total / HOUR % 24) + 'h';
}

// Shorter than a minute: with what a person still notices.
function humanDuration(seconds) {
  if (seconds < 1) {
    return Math.max(0, Math.floor(seconds * 1000)) + 'ms';
  }
  const tenths = Math.floor(seconds * 10 + 1e-6) / 10;
  return seconds >= 60 || Number.isInteger(tenths) ? humanAge(seconds) : tenths.toFixed(1) + 's';
}

// "3.200s" → 3.2
function seconds(duration) {
  return parseFloat(duration) || 0;
}

// Milliseconds since 1970; NaN where there is no time. Not every browser takes nanoseconds.
function instant(time) {
  return Date.parse(String(time || '').replace(/(\.\d{3})\d+/, '$1'));
}

function exact(milliseconds) {
  return new Date(milliseconds).toISOString().replace('T', ' ').replace('Z', ' UTC');
}

// A time as how long ago it is, with the time itself for who points at it.
function since(time, now, after = '') {
  const at = instant(time);
  if (Number.isNaN(at)) {
    return '-';
  }
  return node('time', {datetime: time, title: exact(at)}, humanAge((now - at) / 1000) + after);
}

function processName(process) {
  return [foreign(process.comm), '[' + process.pid + ']', process.exited ? ' (exited)' : '',
          process.inferred ? ' (inferred)' : ''];
}

function fileName(file) {
  return [file.path ? foreign(file.path) : '?', file.deleted ? ' (deleted)' : ''];
}

function hexadecimal(text) {
  return '0x' + BigInt(text || 0).toString(16);
}

function withBlanks(text) {
  return visible(text).replaceAll('_', ' ');
}

const INVALIDATIONS = ['munmap', 'mmap_fixed', 'mremap', 'madv_dontneed', 'madv_guard', 'invalidate'];

// By its name, not by whether it has a file: who may see no paths gets none.
function isInvalidation(conflict) {
  return INVALIDATIONS.includes(conflict.operation);
}

// "truncate to 0 B", "punch_hole of 4.0 KiB at 8192"
function operationText(conflict) {
  const name = visible(conflict.operation);
  if (conflict.operation === 'truncate') {
    return name + ' to ' + humanBytes(conflict.new_size);
  }
  if (conflict.operation === 'umount' || count(conflict.length) === 0) {
    return name;
  }
  return name + ' of ' + humanBytes(conflict.length) + (isInvalidation(conflict) ? '' : ' at byte ' + conflict.offset);
}

// Where it was. Nothing where that is not told.
function placeText(conflict) {
  if (isInvalidation(conflict)) {
    return count(conflict.address) === 0
        ? [] : [hexadecimal(conflict.address), '-',
                hexadecimal(BigInt(conflict.address) + BigInt(conflict.length || 0))];
  }
  const file = conflict.file;
  if (!file) {
    return [];
  }
  if (conflict.operation === 'umount' && !file.path) {
    return [foreign(file.filesystem), ' on device ' + file.device_major + ':' + file.device_minor];
  }
  return fileName(file);
}

// Maps, not objects: these have no entries that nobody has put in.
const HOLD_ENDS = new Map([
  ['pins_gone', 'the pins are gone, it goes on'],
  ['allowed', 'an operator let it go on'],
  ['denied', 'an operator failed it'],
  ['timed_out_allow', 'its time was up, it goes on'],
  ['timed_out_deny', 'its time was up, it fails'],
  ['decided', 'the policies decide otherwise now'],
  ['abandoned', 'the caller is gone, or gave up'],
  ['let_go_allow', 'it could be held no longer, it goes on'],
  ['let_go_deny', 'it could be held no longer, it fails'],
]);

// It went on, and the pins were there.
const WENT_ON = ['allowed', 'timed_out_allow', 'let_go_allow'];

function holdEndText(past) {
  return 'Held for ' + durationText(past.held) + ': ' + (HOLD_ENDS.get(past.hold_outcome) || withBlanks(past.hold_outcome));
}

// How bad what was decided is: bad, look, or good.
function verdictLevel(past) {
  const {verdict, policy} = past.conflict;
  if (verdict === 'deny' || verdict === 'hold') {
    return verdict === 'hold' && (!past.hold_outcome || WENT_ON.includes(past.hold_outcome)) ? 'look' : 'good';
  }
  return verdict === 'allow' && !policy && !isInvalidation(past.conflict) ? 'bad' : 'look';
}

function verdictText(conflict) {
  return withBlanks(conflict.verdict) + (conflict.error ? ' ' + visible(conflict.error) : '');
}

// "1.0 MiB of rdma-demo[812] rdma_rxe and 2 others": whose pins were met.
function ownersText(past) {
  const MOST_OWNERS = 3;
  if (count(past.pin_count) === 0) {
    return ['pins that are not in the ledger'];
  }
  const owners = past.owners || [];
  const size = humanBytes(past.pinned_bytes);
  if (owners.length === 0) {
    return [size + ' in ' + counted(count(past.pin_count), 'pin')];
  }
  const shown = owners.slice(0, MOST_OWNERS).map((owner) => [processName(owner.process), ' ', foreign(owner.driver)]);
  const more = owners.length - shown.length;
  return [size, ' of ', joined(shown),
          count(past.pins_of_others) > 0 ? ' and others' : more > 0 ? ' and ' + counted(more, 'other') : ''];
}

// The same of what is held: there each pin is told.
function heldPinsText(pins) {
  const owners = new Map();
  for (const pin of pins || []) {
    const key = pin.owner ? pin.owner.pid + ' ' + pin.driver : pin.driver;
    owners.set(key, owners.get(key) || (pin.owner ? [processName(pin.owner), ' ', foreign(pin.driver)] : [foreign(pin.driver)]));
  }
  const all = [...owners.values()];
  const most = 4;
  return [humanBytes(sum(pins, (pin) => pin.bytes)), ' in ' + counted((pins || []).length, 'pin'),
          all.length > 0 ? ' of ' : '', joined(all.slice(0, most)),
          all.length > most ? ' and ' + counted(all.length - most, 'other') : ''];
}

function orphansText(group) {
  const orphans = count(group.orphans);
  const leaks = count(group.leaks);
  return orphans === 0 ? '-' : counted(orphans, 'orphan') + (leaks > 0 ? ', ' + counted(leaks, 'leak') : '');
}

// "11 denied, 2 held"; "-" for none.
function countsText(counts) {
  return counts.filter(([, number]) => count(number) > 0).map(([what, number]) => number + ' ' + what).join(', ') || '-';
}

function didText(status) {
  return countsText([['denied', status.denied], ['held', status.held], ['signalled', status.signalled],
                     ['notified', status.notified]]);
}

function wouldHaveText(status) {
  return countsText([['denied', status.would_have_denied], ['held', status.would_have_held],
                     ['signalled', status.would_have_signalled], ['notified', status.would_have_notified]]);
}

function lowered(name, prefix) {
  return String(name || '').replace(prefix, '').toLowerCase();
}

function durationText(text) {
  return humanDuration(seconds(text));
}

// "hold 10s, revoke SIGUSR1 5s SIGTERM, then deny EBUSY"
function actionText(action) {
  const words = (list) => (list || []).map((word) => ' ' + visible(word)).join('');
  if (!action) {
    return '-';
  }
  if (action.notify) {
    return 'notify';
  }
  if (action.signal) {
    return 'signal ' + (action.signal.target === 'SIGNAL_TARGET_CALLER' ? 'caller' : 'owners') + words(action.signal.signals);
  }
  if (action.deny) {
    return 'deny ' + visible(action.deny.error);
  }
  if (!action.hold) {
    return '-';
  }
  const {timeout, revoke, on_timeout: end, error} = action.hold;
  return 'hold ' + durationText(timeout) +
         (revoke ? ', revoke' + words(revoke.notify ? [revoke.notify] : []) + words([durationText(revoke.grace)]) +
                   words(revoke.then) : '') +
         ', then ' + (end === 'OUTCOME_ALLOW' ? 'allow' : 'deny ' + visible(error));
}

// "truncate, umount · path=/mnt/data · driver=rdma_rxe"
function matchText(match) {
  if (!match) {
    return '-';
  }
  const parts = [(match.operations || []).map((name) => lowered(name, 'OPERATION_')).join(', ')];
  const add = (name, list) => {
    if (list && list.length > 0) {
      parts.push(name + '=' + list.map(visible).join(','));
    }
  };
  const file = match.file || {};
  const pin = match.pin || {};
  add('path', file.path_prefixes);
  add('mount', file.mounts);
  add('inode', file.inodes);
  add('fs', file.filesystems);
  add('driver', pin.drivers);
  add('min_bytes', count(pin.min_bytes) > 0 ? [humanBytes(pin.min_bytes)] : []);
  add('min_age', pin.min_age ? [humanAge(seconds(pin.min_age))] : []);
  add('long_term', pin.long_term === undefined ? [] : [pin.long_term]);
  for (const [who, process] of [['', match.owner || {}], ['caller.', match.caller || {}]]) {
    add(who + 'uid', process.uids);
    add(who + 'comm', process.comms);
    add(who + 'cgroup', process.cgroups);
    add(who + 'binary', process.binaries);
    add(who + 'container', process.containers);
  }
  return parts.join(' · ');
}

// What to call operations where they are counted.
const NOUNS = new Map([['punch_hole', 'punched hole'], ['collapse_range', 'collapsed range'], ['zero_range', 'zeroed range'],
                       ['insert_range', 'inserted range'], ['madv_remove', 'madv_remove']]);

// "3 truncates and 1 umount"
function operationsText(conflicts) {
  const numbers = new Map();
  for (const past of conflicts) {
    const noun = NOUNS.get(past.conflict.operation) || withBlanks(past.conflict.operation);
    numbers.set(noun, (numbers.get(noun) || 0) + 1);
  }
  const texts = [...numbers].map(([noun, number]) => counted(number, noun));
  return texts.length < 2 ? texts.join('') : texts.slice(0, -1).join(', ') + ' and ' + texts[texts.length - 1];
}

const STOPPED = ['deny', 'hold'];

function wentOn(past) {
  return past.conflict.verdict === 'hold' && WENT_ON.includes(past.hold_outcome);
}

// What became of the conflicts of the last hour, one sentence for each way there is.
function conflictPoints(recent, when) {
  const those = (test) => recent.filter((past) => test(past.conflict, past));
  const points = [];
  const say = (level, conflicts, text) => {
    if (conflicts.length > 0) {
      points.push({level, text: operationsText(conflicts) + ' ' + text + ' ' + when + '.'});
    }
  };
  say('bad', those((conflict, past) => verdictLevel(past) === 'bad'), 'met pinned memory and no policy decided');
  say('look', those((conflict) => ['would_deny', 'would_hold'].includes(conflict.verdict)),
      'met pinned memory and went ahead, as the policy only monitors,');
  say('look', those((conflict, past) => wentOn(past)), 'went ahead after a hold, with the pins still there,');
  say('look', those((conflict, past) => !isInvalidation(conflict) && verdictLevel(past) === 'look' &&
                    !STOPPED.includes(conflict.verdict) && !['would_deny', 'would_hold'].includes(conflict.verdict)),
      'met pinned memory and went ahead, as the policies have it,');
  say('look', those(isInvalidation), 'took addresses of pinned memory, which nothing can stop,');
  const stopped = those((conflict, past) => STOPPED.includes(conflict.verdict) && verdictLevel(past) === 'good');
  say('good', stopped, 'met pinned memory and ' + (stopped.length === 1 ? 'was' : 'were') + ' stopped');
  return points;
}

// Whether the daemon can be trusted, and whether something else needs somebody.
function statePoints(page) {
  const points = [];
  const {status} = page;
  const say = (level, text) => points.push({level, text});
  const held = ((page.holds || {}).holds || []).filter((hold) => !hold.verdict);
  if (held.length > 0) {
    say('look', (held.length === 1 ? '1 operation waits' : held.length + ' operations wait') + ' for pins to go.');
  }
  if (!status.ledger_certain) {
    say('look', 'What is pinned is not certain: events were lost.');
  }
  const failed = (status.hooks || []).filter((hook) => hook.state === 'HOOK_STATE_FAILED');
  if (failed.length > 0) {
    say('look', counted(failed.length, 'hook') + ' that should be attached ' + (failed.length === 1 ? 'is' : 'are') +
        ' not: something may go unseen.');
  }
  const leaks = sum((page.by_driver || {}).groups, (group) => group.leaks);
  if (leaks > 0) {
    say('look', (leaks === 1 ? '1 pin has leaked: its owner is' : leaks + ' pins have leaked: their owners are') + ' gone.');
  }
  for (const state of ['refused', 'degraded', 'pending']) {
    const policies = ((page.policies || {}).policies || []).filter((policy) => policy.state === state);
    if (policies.length > 0) {
      say('look', (policies.length === 1 ? '1 policy is ' : policies.length + ' policies are ') + state + '.');
    }
  }
  return points;
}

const LEVELS = ['bad', 'look', 'good'];
const LEVEL_WORDS = {bad: 'At risk', look: 'Look', good: 'OK'};

// What somebody needs to know first, in one sentence; and what else there is to know, the worst first.
function assess(page, now) {
  const list = page.conflicts || {};
  const all = list.conflicts || [];
  const recent = all.filter((past) => now - instant(past.time) < HOUR * 1000);
  const ago = (time) => humanAge((now - instant(time)) / 1000);
  let when = now - instant(page.status.start_time) < HOUR * 1000
      ? 'since pinwardend started, ' + ago(page.status.start_time) + ' ago' : 'in the last hour';
  const points = statePoints(page);
  // Only the newest are told: where all of them are of this hour, there may be more.
  if (recent.length > 0 && recent.length === all.length && count(list.matched) > all.length) {
    when = 'in the last ' + ago(all[all.length - 1].time);
    points.push({level: 'look', text: 'Of ' + list.matched + ' conflicts only the last ' + all.length + ' are looked at here.'});
  }
  points.unshift(...conflictPoints(recent, when));
  if (recent.length === 0) {
    points.push({level: 'good', text: (page.status.ledger_certain ? 'Nothing collided' : 'Nothing is known to have collided') +
                                      ' with pinned memory ' + when + '.'});
  }
  points.sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level));
  return {level: points[0].level, word: LEVEL_WORDS[points[0].level], headline: points[0].text, others: points.slice(1)};
}

// "ring_full_pin 12 (the ledger is incomplete)"
function lossesText(status) {
  return (status.losses || []).filter((loss) => count(loss.count) > 0).map((loss) =>
      visible(loss.cause) + ' ' + loss.count +
      (!loss.affects_ledger ? '' : status.ledger_certain ? ' (made good)' : ' (the ledger is incomplete)')).join(', ');
}

function hooksText(status) {
  const of = (state) => (status.hooks || []).filter((hook) => hook.state === 'HOOK_STATE_' + state).length;
  return countsText([['attached', of('ATTACHED')], ['not needed now', of('NOT_NEEDED')],
                     ['not on this kernel', of('UNAVAILABLE')], ['failed', of('FAILED')]]);
}

function doubtText(trust) {
  const ambiguous = count(trust.ambiguous_pages);
  const adopted = count(trust.adopted_pins);
  return (ambiguous === 0 ? 'Every release was known to be one pin’s. '
                          : counted(ambiguous, 'page') + ' had a release that could have been several pins’. ') +
         (adopted === 0 ? 'Every pin was seen being made.'
                        : counted(adopted, 'pin') + ' not seen being made: the owner is inferred, or not known.');
}
