// Puts on the page what words.js says of the data: the drawing, and the parts of the page one by one.
'use strict';

const FIRST_CONFLICTS = 10;  // shown before somebody asks for more
const FIRST_GROUPS = 6;
const FRESH = 8000;          // milliseconds for which a conflict is marked as new

// Makes the children of `parent` what is wanted, and touches nothing that is so already: what has the focus, is selected, or
// is being read stays where it is. Text only ever becomes text nodes, so nothing of it can be markup.
function draw(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.childNodes) {
    if (child.pwKey !== undefined) {
      keyed.set(child.pwKey, child);
    }
  }
  let at = parent.firstChild;
  for (const item of [wanted].flat(Infinity)) {
    if (item === null || item === undefined || item === false || item === '') {
      continue;
    }
    const child = item.tag ? elementFor(item, at, keyed) : textFor(item, at);
    if (child !== at) {
      parent.insertBefore(child, at);
    }
    if (item.tag) {
      setAttributes(child, item.attributes);
      draw(child, item.children);
    } else if (child.data !== String(item)) {
      child.data = String(item);
    }
    at = child.nextSibling;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function textFor(item, at) {
  return at && at.nodeType === Node.TEXT_NODE ? at : document.createTextNode(String(item));
}

function elementFor({tag, attributes}, at, keyed) {
  const {key} = attributes;
  if (key !== undefined && keyed.has(key)) {
    const kept = keyed.get(key);
    keyed.delete(key);  // should two of them have one key, each still is an element of its own
    return kept;
  }
  if (key === undefined && at && at.localName === tag && at.pwKey === undefined) {
    return at;
  }
  const graphic = tag === 'svg' || tag === 'rect';
  const element = graphic ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  element.pwKey = key;
  return element;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== 'key' && element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, value);
    }
  }
  for (const {name} of [...element.attributes]) {
    // Whether details are open is the reader's business.
    if (!(name in attributes) && name !== 'open') {
      element.removeAttribute(name);
    }
  }
}

function part(id, wanted) {
  draw(document.getElementById(id), wanted);
}

function paragraph(...children) {
  return node('p', {}, ...children);
}

function note(...children) {
  return node('p', {class: 'note'}, ...children);
}

function badge(level, ...children) {
  return node('span', {class: 'badge ' + level}, ...children);
}

// How much of the whole it is. For the eye only: the number stands beside it.
function bar(share) {
  const width = Math.max(0, Math.min(100, share * 100));
  return node('svg', {class: 'bar', viewBox: '0 0 100 4', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
              node('rect', {class: 'bar-all', width: 100, height: 4}),
              node('rect', {class: 'bar-part', width: width.toFixed(1), height: 4}));
}

// A table that becomes a list of cards where it has no room. Browsers then forget that it is a table: hence the roles.
// The first column names the row.
function table(caption, columns, rows) {
  const kind = (i, what) => (columns[i].number ? 'number' : 'words') + (what === '-' ? ' nothing' : '');
  const cell = (row, i) => node(i === 0 ? 'th' : 'td',
                                {role: i === 0 ? 'rowheader' : 'cell', class: kind(i, row.cells[i]),
                                 'data-label': columns[i].title, ...(i === 0 ? {scope: 'row'} : {})}, row.cells[i]);
  return node('table', {role: 'table'},
              node('caption', {}, caption),
              node('thead', {role: 'rowgroup'}, node('tr', {role: 'row'}, columns.map((column, i) =>
                  node('th', {scope: 'col', role: 'columnheader', class: kind(i)}, column.title)))),
              node('tbody', {role: 'rowgroup'}, rows.map((row) =>
                  node('tr', {role: 'row', key: row.key}, row.cells.map((_, i) => cell(row, i))))));
}

const shownInFull = new Set();

// The first few of a list, and a button for the rest.
function limited(name, what, items, most) {
  const all = shownInFull.has(name) || items.length <= most;
  const button = items.length > most &&
                 node('button', {type: 'button', class: 'more', 'data-more': name, 'aria-expanded': all},
                      all ? 'Show only the first ' + most + ' ' + what : 'Show all ' + items.length + ' ' + what);
  return {shown: all ? items : items.slice(0, most), button};
}

function drawGlance(page, now) {
  const glance = assess(page, now);
  const {status} = page;
  const trust = (page.by_driver || {}).trust || {};
  const lost = lossesText(status);
  document.getElementById('glance').className = glance.level;
  part('glance-text', [
    node('p', {class: 'headline'}, badge(glance.level, glance.word), ' ', glance.headline),
    glance.others.length > 0 &&
        node('ul', {class: 'points'}, glance.others.map((point) => node('li', {class: point.level}, point.text))),
  ]);
  part('trust-line', node('ul', {class: 'facts', 'aria-label': 'Trust'}, [
    ['Ledger', status.ledger_certain ? badge('good', 'certain') : badge('look', 'uncertain')],
    ['Lost', lost ? badge('look', lost) : 'nothing'],
    ['Hooks', hooksText(status)],
    ['Ambiguous', counted(count(trust.ambiguous_pages), 'page')],
    ['Adopted', counted(count(trust.adopted_pins), 'pin')],
    ['pinwardend', [foreign(status.version), ', up ', since(status.start_time, now)]],
    ['Linux', foreign(status.kernel_release)],
  ].map(([name, value]) => node('li', {}, node('span', {class: 'fact'}, name), ' ', value))));
  document.title = glance.word + ': ' + visible(page.host) + ' · pinwarden';
}

function conflictItem(past, now) {
  const {conflict} = past;
  const place = placeText(conflict);
  const fresh = now - instant(past.time) < FRESH ? ' fresh' : '';
  return node('li', {key: past.number, class: 'event ' + verdictLevel(past) + fresh},
      node('p', {class: 'what'}, node('span', {class: 'when'}, since(past.time, now, ' ago'), ' '),
           badge(verdictLevel(past), verdictText(conflict)), ' ', node('strong', {}, operationText(conflict)),
           place.length > 0 && [' of ', node('span', {class: 'place'}, place)]),
      conflict.verdict === 'hold' && paragraph(past.hold_outcome ? holdEndText(past) : 'It waits now'),
      paragraph(conflict.caller ? ['By ', processName(conflict.caller),
                                   conflict.caller.uid === undefined ? '' : ' uid ' + conflict.caller.uid, '; meets ']
                                : 'Meets ', ownersText(past)),
      paragraph(conflict.policy ? ['Policy ', node('b', {}, foreign(conflict.policy))] : 'No policy',
                conflict.reason && [': ', foreign(conflict.reason)],
                conflict.unresolved && ' (decided while not all pins were known)'));
}

function drawConflicts(page, now) {
  const list = page.conflicts || {};
  const all = list.conflicts || [];
  const older = count(list.matched) - all.length;
  const forgotten = count(list.forgotten);
  const {shown, button} = limited('conflicts', 'conflicts', all, FIRST_CONFLICTS);
  part('conflicts-text', [
    all.length === 0 ? paragraph('No conflict since pinwardend started.')
                     : node('ol', {class: 'events', 'aria-label': 'Conflicts, newest first'},
                            shown.map((past) => conflictItem(past, now))),
    button,
    older > 0 && note(counted(older, 'older one') + ' not shown here, see ', node('code', {}, 'pinctl conflicts'), '.'),
    forgotten > 0 && note(counted(forgotten, 'older one') + ' fell out of memory; ', node('code', {}, 'pinctl audit-log'),
                          ' goes further back.'),
  ]);
}

function holdItem(hold, now) {
  const {conflict} = hold;
  const place = placeText(conflict);
  const held = (now - instant(hold.since)) / 1000;
  const all = (instant(hold.deadline) - instant(hold.since)) / 1000;
  const decided = hold.verdict && ['released: ' + visible(hold.verdict), '; the caller has not gone on yet'];
  return node('li', {key: hold.id, class: 'event look'},
      node('p', {class: 'what'}, badge('look', decided ? 'released' : 'waits'), ' ',
           node('strong', {}, operationText(conflict)), place.length > 0 && [' of ', node('span', {class: 'place'}, place)]),
      paragraph('Held for ', since(hold.since, now), ', ',
                decided || ['until ', node('time', {datetime: hold.deadline, title: exact(instant(hold.deadline))},
                                           new Date(instant(hold.deadline)).toLocaleTimeString()),
                            ': ' + humanAge(all - held) + ' left']),
      bar(held / all),
      paragraph(conflict.caller ? ['Caller ', processName(conflict.caller), '; in its way: '] : 'In its way: ',
                heldPinsText(conflict.pins)),
      paragraph('Policy ', node('b', {}, foreign(conflict.policy)),
                !decided && ['; ', node('code', {}, 'pinctl holds release ' + hold.id), ' ends it']));
}

function drawHolds(page, now) {
  const holds = (page.holds || {}).holds || [];
  const {shown, button} = limited('holds', 'that wait', holds, FIRST_GROUPS);
  part('holds-text', [
    holds.length === 0 ? paragraph('No operation is held.')
                       : node('ol', {class: 'events', 'aria-label': 'Held operations, oldest first'},
                              shown.map((hold) => holdItem(hold, now))),
    button,
  ]);
}

function groupName(group, by) {
  if (by === 'driver') {
    return group.name ? foreign(group.name) : '-';
  }
  if (by === 'file') {
    return group.file ? fileName(group.file) : 'memory of no file';
  }
  return group.owner ? [processName(group.owner), group.owner.uid === undefined ? '' : ' uid ' + group.owner.uid] : '-';
}

function groupKey(group, by) {
  const {file, owner} = group;
  return by === 'driver' ? group.name
         : by === 'file' ? (file ? [file.device_major, file.device_minor, file.inode, file.generation].join(':') : '-')
                         : (owner ? owner.pid + ' ' + owner.start_time : '-');
}

function groupRow(group, by, total, anyOrphans, now) {
  const orphans = orphansText(group);
  const level = count(group.leaks) > 0 ? 'bad' : 'look';
  return {
    key: groupKey(group, by),
    cells: [
      [node('span', {class: 'place'}, groupName(group, by)),
       by !== 'driver' && (group.drivers || []).length > 0 &&
           node('span', {class: 'beside'}, ' through ', joined(group.drivers.map(foreign)))],
      [humanBytes(group.bytes), bar(total > 0 ? count(group.bytes) / total : 0)],
      count(group.pins),
      group.oldest_acquire_time ? since(group.oldest_acquire_time, now) : humanAge(seconds(group.oldest_age)),
    ].concat(anyOrphans ? [orphans === '-' ? orphans : badge(level, orphans)] : []),
  };
}

function drawGroups(groups, by, title, now) {
  const {shown, button} = limited(by, by + 's', groups.groups || [], FIRST_GROUPS);
  const more = count(groups.more_groups);
  const ungrouped = count(groups.ungrouped_pins);
  // A column only where there is something to say.
  const orphans = (groups.groups || []).some((group) => count(group.orphans) > 0);
  const columns = [{title}, {title: 'Pinned', number: true}, {title: 'Pins', number: true},
                   {title: 'Oldest', number: true}].concat(orphans ? [{title: 'Orphaned'}] : []);
  return node('div', {class: 'group', key: by}, [
    table('By ' + by, columns, shown.map((group) => groupRow(group, by, count(groups.total_bytes), orphans, now))),
    button,
    more > 0 && note('And ' + counted(more, 'more group') + ', see ', node('code', {}, 'pinctl pins --by ' + by), '.'),
    ungrouped > 0 && note(counted(ungrouped, 'pin') + ' in no group: there are too many groups.'),
  ]);
}

function drawPinned(page, now) {
  const {status} = page;
  const onDemand = count(status.on_demand_ranges);
  const pins = page.by_driver ? count(page.by_driver.total_pins) : count(status.pins);
  const orphans = sum((page.by_driver || {}).groups, (group) => group.orphans);
  part('pinned-text', [
    node('p', {class: 'total', key: 'total'}, node('strong', {}, humanBytes(status.pinned_bytes)), ' in ' + counted(pins, 'pin'),
         orphans > 0 && [', of these ', badge('look', counted(orphans, 'orphan'))], '.'),
    onDemand > 0 && note('Besides, ' + counted(onDemand, 'on-demand range') + ' with ' + humanBytes(status.on_demand_bytes) +
                         ' that devices use without pinning.'),
    pins === 0 ? note('Nothing is pinned for long.') : [
      page.by_driver && drawGroups(page.by_driver, 'driver', 'Driver', now),
      page.by_file && drawGroups(page.by_file, 'file', 'File', now),
      page.by_owner && drawGroups(page.by_owner, 'owner', 'Owner', now),
    ],
    !page.details && note('Files and owners are not shown: ', page.details_hint || 'whoever may ask the daemon itself sees them.'),
  ]);
}

function policyRow(status) {
  const policy = status.policy || {};
  const level = status.state === 'refused' || status.state === 'degraded' ? 'bad' : status.state === 'active' ? 'good'
                : status.state === 'pending' ? 'look' : 'plain';
  return {
    key: policy.name,
    cells: [
      [node('span', {class: 'place'}, foreign(policy.name)),
       node('span', {class: 'beside'}, ' ', actionText(policy.action), ' for ', foreign(matchText(policy.match)))],
      [badge(level, visible(status.state)), status.reason && node('span', {class: 'beside'}, ' ', foreign(status.reason))],
      count(status.matched), didText(status), wouldHaveText(status),
    ],
  };
}

function drawPolicies(page) {
  const policies = (page.policies || {}).policies || [];
  const {shown, button} = limited('policies', 'policies', policies, FIRST_CONFLICTS);
  part('policies-text', [
    policies.length === 0 ? paragraph('No policies: what meets pinned memory is told, and goes ahead.')
                          : table('In the order of evaluation: the first that matches decides',
                                  [{title: 'Policy'}, {title: 'State'}, {title: 'Matched', number: true}, {title: 'Did'},
                                   {title: 'Would have'}], shown.map(policyRow)),
    button,
  ]);
}

function drawWatching(page) {
  const {status} = page;
  const trust = (page.by_driver || {}).trust || {};
  const lost = lossesText(status);
  const states = {HOOK_STATE_FAILED: 'failed', HOOK_STATE_UNAVAILABLE: 'not on this kernel',
                  HOOK_STATE_NOT_NEEDED: 'not needed now'};
  const missing = (status.hooks || []).filter((hook) => !hook.attached || count(hook.missed) > 0);
  const order = ['HOOK_STATE_FAILED', 'HOOK_STATE_ATTACHED', 'HOOK_STATE_UNAVAILABLE', 'HOOK_STATE_NOT_NEEDED'];
  missing.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  part('watching-text', [
    paragraph(status.ledger_certain ? 'The ledger is certain: it has every pin there is, and none besides.'
                                    : 'The ledger is uncertain: pins may be missing or already gone.'),
    paragraph(lost ? 'Events lost since the start: ' + lost + '.' : 'No event was lost since the start.'),
    paragraph(doubtText(trust)),
    (status.notices || []).length > 0 && node('ul', {class: 'points', 'aria-label': 'Notices'},
                                              status.notices.map((notice) => node('li', {class: 'look'}, foreign(notice)))),
    missing.length > 0 && node('details', {key: 'hooks'},
        node('summary', {}, 'Hooks that are not attached, or missed runs: ' + missing.length),
        table('Hooks', [{title: 'Hook'}, {title: 'State'}, {title: 'Missed', number: true}], missing.map((hook) => ({
          key: hook.name + hook.purpose,
          cells: [[node('span', {class: 'place'}, foreign(hook.name)),
                   node('span', {class: 'beside'}, ' for ' + visible(hook.purpose))],
                  [hook.attached ? 'attached' : badge(hook.state === 'HOOK_STATE_FAILED' ? 'bad' : 'plain',
                                                      states[hook.state] || 'not attached'),
                   hook.reason && node('span', {class: 'beside'}, ' ', foreign(hook.reason))],
                  count(hook.missed)],
        })))),
  ]);
}
