// What must hold of the page whatever a daemon tells.

export const SIZES = [{width: 360, height: 740}, {width: 1440, height: 900}, {width: 1920, height: 1080}];
export const THEMES = ['light', 'dark'];

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
               "form-action 'none'; frame-ancestors 'none'";

export async function checkAccessible(page, checks, axe) {
  if (await page.evaluate('typeof window.axe') === 'undefined') {
    await page.evaluate(axe);
  }
  const found = await page.evaluate(async () => {
    // Best practices too: landmarks, order of headings, one h1.
    const {violations, passes} = await window.axe.run(document, {resultTypes: ['violations', 'passes']});
    return {passes: passes.length,
            violations: violations.map(({id, help, nodes}) => `${id} (${help}): ${nodes.map((one) => one.html.slice(0, 160)).join(' | ')}`)};
  });
  checks.that(found.violations.length === 0, 'axe-core finds nothing', found.violations);
  checks.that(found.passes > 15, 'axe-core looked at something', String(found.passes));
}

function luminance(colour) {
  const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map(Number);
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
}

// The page has an answer and shows it; nothing went wrong, and nobody else was asked.
export async function checkLoaded({page, notes}, checks, axe, theme) {
  const [document] = notes.responses;
  checks.that(document.ok(), 'the page is there', String(document.status()));
  for (const response of notes.responses) {
    const header = (await response.allHeaders())['content-security-policy'];
    if (response.status() !== 304) {
      checks.that(header === POLICY, `the security policy of ${response.url()}`, String(header));
    }
  }
  const names = new Set(notes.responses.map((response) => new URL(response.url()).pathname));
  for (const name of ['/', '/page.css', '/words.js', '/view.js', '/page.js', '/icon.svg', '/page.json']) {
    checks.that(names.has(name), `${name} was asked for`);
  }

  const shown = await page.evaluate(async () => ({
    answer: await (await fetch('page.json')).json(),
    host: document.getElementById('host').textContent,
    text: document.querySelector('main').innerText,
    title: document.title,
    empty: [...document.querySelectorAll('main section')].filter((one) => one.innerText.trim().split('\n').length < 2).map((one) => one.id),
    ground: getComputedStyle(document.body).backgroundColor,
    ids: [...document.querySelectorAll('[id]')].map((one) => one.id),
  }));
  checks.that(shown.host.length > 3 && shown.title.includes(' · pinwarden'), 'the host is shown', shown.title);
  checks.that(shown.text.includes(shown.answer.status.version), 'the version is shown');
  checks.that(shown.text.includes(shown.answer.status.kernel_release), 'the kernel is shown');
  checks.that(shown.text.includes(shown.answer.status.ledger_certain ? 'The ledger is certain' : 'The ledger is uncertain'),
              'whether the ledger is certain is shown');
  for (const status of (shown.answer.policies.policies || []).slice(0, 10)) {
    checks.that(shown.text.includes(status.policy.name) && shown.text.includes(status.state), `policy ${status.policy.name} is shown`);
  }
  checks.that(shown.empty.length === 0, 'every part says something', shown.empty);
  checks.that(new Set(shown.ids).size === shown.ids.length, 'no id is there twice');
  checks.that(/(^| )(undefined|null|NaN|Infinity|\[object)/.test(shown.text) === false, 'nothing undefined is shown',
              (shown.text.match(/.*(undefined|null|NaN|Infinity|\[object).*/) || [''])[0]);
  checks.that((luminance(shown.ground) < 0.5) === (theme === 'dark'), 'it is as light or dark as asked for', shown.ground);

  const wide = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    return {page: document.documentElement.scrollWidth, width,
            out: [...document.querySelectorAll('body *')].filter((one) => !one.closest('.unseen, thead, .skip') &&
                one.getBoundingClientRect().right > width + 1).map((one) => one.outerHTML.slice(0, 120)).slice(0, 3)};
  });
  checks.that(wide.page <= wide.width && wide.out.length === 0, 'it does not scroll sideways', wide);
  await checkAccessible(page, checks, axe);
  await checkQuiet({page, notes}, checks);
}

export async function checkQuiet({page, notes}, checks) {
  checks.that(notes.console.length === 0, 'no error in the console', notes.console);
  checks.that(notes.foreign.length === 0, 'nothing from elsewhere is asked for', notes.foreign);
  const violations = await page.evaluate(() => window.pwViolations);
  checks.that(violations.length === 0, 'nothing against the security policy', violations);
}

// Tab leads to everything that can be used, in the order of the document, and one sees where one is.
export async function checkKeyboard(page, checks) {
  const wanted = await page.evaluate(() => {
    const usable = [...document.querySelectorAll('a[href], button, summary, input, select, [tabindex="0"]')]
        .filter((one) => one.checkVisibility() && !one.disabled);
    usable.forEach((one, i) => { one.pwNumber = i; });
    document.activeElement.blur();
    return usable.length;
  });
  const reached = [];
  const unseen = [];
  for (let i = 0; i < wanted; ++i) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const one = document.activeElement;
      const style = getComputedStyle(one);
      const box = one.getBoundingClientRect();
      return {number: one.pwNumber, html: one.outerHTML.slice(0, 80),
              seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight};
    });
    reached.push(at.number);
    if (!at.seen) {
      unseen.push(at.html);
    }
  }
  checks.that(reached.every((number, i) => number === i), `Tab reaches all ${wanted} in order`, reached);
  checks.that(unseen.length === 0, 'where the focus is can be seen', unseen);
}
