// Checks every dashboard against Board of board_types.ts. Fails on what is missing, of another type, or not known.
import {readFileSync, readdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import Ajv from 'ajv';
import {createGenerator} from 'ts-json-schema-generator';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? join(here, '..', '..', 'dashboards');
const schema = createGenerator({
    path: join(here, 'board_types.ts'),
    tsconfig: join(here, 'tsconfig.json'),
    type: 'Board',
    skipTypeCheck: true, // of the packages' own files
    additionalProperties: false,
    expose: 'none', // two of Grafana's types have the same name
}).createSchema('Board');
const validate = new Ajv({allErrors: true, strict: false}).compile(schema);

// A panel fits one of many types: only complaints about the type of its own kind say something.
function telling(error, board) {
    const panel = /^\/panels\/(\d+)/.exec(error.instancePath)?.[1];
    return panel === undefined || error.keyword !== 'const' ? `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`
        : `panel ${board.panels[panel].title}: ${error.instancePath} ${error.message}`;
}

// Mistakes that must be found, or the types have come to allow everything. One of each kind of panel is looked for.
function mistakes(boards) {
    const some = (kind) => structuredClone(boards.find((board) => board.panels.some((panel) => panel.type === kind)));
    const panel = (kind, change) => () => {
        const board = some(kind);
        change(board.panels.find((one) => one.type === kind));
        return board;
    };
    const kinds = ['stat', 'timeseries', 'bargauge', 'table', 'heatmap'];
    return [
        ...kinds.map((kind) => [`${kind}: an unknown option`, panel(kind, (one) => { one.options.sparkle = true; })]),
        ...kinds.map((kind) => [`${kind}: no field configuration`, panel(kind, (one) => { delete one.fieldConfig; })]),
        ['a kind of panel that is not there', panel('stat', (one) => { one.type = 'statt'; })],
        ['a stat with a colour mode that is none', panel('stat', (one) => { one.options.colorMode = 'everywhere'; })],
        ['a query without an expression', panel('timeseries', (one) => { delete one.targets[0].expr; })],
        ['a width that is no number', panel('stat', (one) => { one.gridPos.w = '4'; })],
        ['a threshold without a colour', panel('stat', (one) => { delete one.fieldConfig.defaults.thresholds.steps[0].color; })],
        ['a row without panels', panel('row', (one) => { delete one.panels; })],
        ['an unknown field of the dashboard', () => ({...some('stat'), owner: 'me'})],
        ['a variable of no kind', () => {
            const board = some('stat');
            board.templating.list[0].type = 'guess';
            return board;
        }],
    ];
}

const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const boards = files.map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')));
let wrong = 0;
for (const [place, board] of boards.entries()) {
    if (!validate(board)) {
        wrong++;
        for (const error of validate.errors) {
            console.error(`schema: ${files[place]}: ${telling(error, board)}`);
        }
    }
}
const tried = wrong > 0 || boards.length === 0 ? [] : mistakes(boards);
for (const [what, make] of tried) {
    if (validate(make())) {
        wrong++;
        console.error(`schema: not found: ${what}`);
    }
}
console.log(`schema: ${files.length} dashboards, ${tried.length} mistakes tried, ${wrong} wrong`);
process.exit(wrong > 0 || files.length === 0 ? 1 : 0);
