// Checks every manifest of deploy/kubernetes twice: with the validators that are made from the Kubernetes API's description of
// itself (types, formats, what must be there), and against its types, so that nothing passes that the API does not know.
import {readFileSync, readdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import Ajv from 'ajv';
import {DaemonSet} from 'kubernetes-models/apps/v1/DaemonSet';
import {NetworkPolicy} from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import {ConfigMap} from 'kubernetes-models/v1/ConfigMap';
import {Namespace} from 'kubernetes-models/v1/Namespace';
import {Service} from 'kubernetes-models/v1/Service';
import {ServiceAccount} from 'kubernetes-models/v1/ServiceAccount';
import {createGenerator} from 'ts-json-schema-generator';
import {parseAllDocuments} from 'yaml';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? join(here, '..', '..', 'deploy', 'kubernetes');
const models = {DaemonSet, NetworkPolicy, ConfigMap, Namespace, Service, ServiceAccount};
const schema = createGenerator({
    path: join(here, 'manifest_types.ts'),
    tsconfig: join(here, 'tsconfig.json'),
    type: 'Manifests',
    skipTypeCheck: true, // of the packages' own files
    additionalProperties: false,
    expose: 'none',
}).createSchema('Manifests');
const ajv = new Ajv({allErrors: true, strict: false});
ajv.addSchema(schema, 'manifests');
const byKind = Object.fromEntries(Object.keys(schema.definitions.Manifests.properties)
    .map((kind) => [kind, ajv.compile({$ref: `manifests#/definitions/Manifests/properties/${kind}`})]));

// All that is wrong with it.
function complaints(manifest) {
    const {kind} = manifest;
    if (byKind[kind] === undefined) {
        return [`no kind that is known here: ${kind}`];
    }
    const found = byKind[kind](manifest) ? []
        : byKind[kind].errors.map((error) => `${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
    if (models[kind] !== undefined) {
        const model = new models[kind](manifest);
        if (model.apiVersion !== manifest.apiVersion) {
            found.push(`apiVersion is ${manifest.apiVersion}, of ${kind} it is ${model.apiVersion}`);
        }
        try {
            model.validate();
        } catch (error) {
            found.push(error.message);
        }
    }
    return found;
}

// Mistakes that must be found.
function mistakes(manifests) {
    const changed = (kind, change) => {
        const one = structuredClone(manifests.find((manifest) => manifest.kind === kind));
        change(one);
        return one;
    };
    const container = (change) => changed('DaemonSet', (one) => change(one.spec.template.spec.containers[0], one.spec.template.spec));
    return {
        'a field that is not there': container((one) => { one.imag = 'x'; }),
        'a field in the wrong place': container((one) => { one.hostPID = true; }),
        'a volume that is no volume': container((one, pod) => { pod.volumes[0].hostpath = {path: '/'}; }),
        'a number as a text': container((one) => { one.ports[0].containerPort = '9877'; }),
        'a security setting that is not there': container((one) => { one.securityContext.readonlyRootFilesystem = true; }),
        'no name of the container': container((one) => { delete one.name; }),
        'no selector': changed('DaemonSet', (one) => { delete one.spec.selector; }),
        'a version that is none': changed('DaemonSet', (one) => { one.apiVersion = 'apps/v2'; }),
        'a kind that is none': changed('Service', (one) => { one.kind = 'Servise'; }),
        'a ConfigMap of numbers': changed('ConfigMap', (one) => { one.data = {'pinwarden.yaml': 5}; }),
        'a policy without pods': changed('NetworkPolicy', (one) => { one.spec.podselector = {}; }),
        'a resource that is no file': changed('Kustomization', (one) => { one.resources = [1]; }),
    };
}

const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
const manifests = files.flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => {
    if (document.errors.length > 0) {
        throw new Error(`${file}: ${document.errors[0].message}`);
    }
    return {file, manifest: document.toJS()};
}));
let wrong = 0;
for (const {file, manifest} of manifests) {
    for (const complaint of complaints(manifest)) {
        wrong++;
        console.error(`schema: ${file}: ${complaint}`);
    }
}
const listed = manifests.find(({manifest}) => manifest.kind === 'Kustomization')?.manifest.resources ?? [];
for (const file of files.filter((name) => name !== 'kustomization.yaml' && !listed.includes(name))) {
    wrong++;
    console.error(`schema: kustomization.yaml does not list ${file}`);
}
for (const file of listed.filter((name) => !files.includes(name))) {
    wrong++;
    console.error(`schema: kustomization.yaml lists ${file}, which is not there`);
}
const tried = wrong > 0 ? {} : mistakes(manifests.map(({manifest}) => manifest));
for (const [what, manifest] of Object.entries(tried)) {
    if (complaints(manifest).length === 0) {
        wrong++;
        console.error(`schema: not found: ${what}`);
    }
}
console.log(`schema: ${manifests.length} manifests, ${Object.keys(tried).length} mistakes tried, ${wrong} wrong`);
process.exit(wrong > 0 || manifests.length === 0 ? 1 : 0);
