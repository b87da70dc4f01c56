// What a dashboard of ours may have: Grafana's own types, put together so that a panel's options are those of its kind, and
// nothing that Grafana does not know passes. The types that Grafana leaves open, because a data source fills them in, are closed here.
import type * as dashboard from './node_modules/@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as common from './node_modules/@grafana/schema/dist/types/common/common.gen';
import type * as bargauge from './node_modules/@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type * as heatmap from './node_modules/@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen';
import type * as stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as table from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as timeseries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

// The Prometheus data source's query; its types are in none of the packages.
interface Query {
    refId: string;
    datasource: common.DataSourceRef;
    expr: string;
    legendFormat: string;
    instant: boolean;
    range: boolean;
    format: 'time_series' | 'table' | 'heatmap';
    editorMode: 'code';
}

// The same data source's label query of a variable: 1 is "label values".
interface LabelQuery {
    query: string;
    refId: string;
    qryType: 1;
}

// Thresholds are closed, and a first step has no value: JSON has null for minus infinity.
interface Thresholds {
    mode: dashboard.ThresholdsMode;
    steps: Array<{color: string; value: number | null}>;
}

interface DataLink {
    title: string;
    url: string;
    targetBlank: boolean;
}

interface FieldConfig<Custom> extends Omit<dashboard.FieldConfig, 'custom' | 'thresholds' | 'links'> {
    custom: Custom;
    thresholds: Thresholds;
    links: DataLink[];
}

interface PanelOf<Kind extends string, Options, Custom>
    extends Omit<dashboard.Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'links'> {
    type: Kind;
    options: Options;
    targets: Query[];
    links: DataLink[];
    fieldConfig: {defaults: FieldConfig<Custom>; overrides: dashboard.FieldConfigSource['overrides']};
}

type Nothing = Record<string, never>;

type Panel = PanelOf<'stat', stat.Options, Nothing>
    | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>
    | PanelOf<'bargauge', bargauge.Options, Nothing>
    | PanelOf<'table', Omit<table.Options, 'frameIndex' | 'showTypeIcons'>, Partial<common.TableFieldOptions>>
    | PanelOf<'heatmap', heatmap.Options, Nothing>;

interface Annotation extends Omit<dashboard.AnnotationQuery, 'target'> {
    expr: string;
    titleFormat: string;
    textFormat: string;
}

interface Variable extends Omit<dashboard.VariableModel, 'query'> {
    query: string | LabelQuery;
    definition?: string;
}

// Grafana reads these, and its types have them no more (liveNow) or somewhere else.
export interface Board extends Omit<dashboard.Dashboard, 'panels' | 'annotations' | 'templating'> {
    panels: Array<Panel | (Omit<dashboard.RowPanel, 'panels'> & {panels: Panel[]})>;
    annotations: {list: Annotation[]};
    templating: {list: Variable[]};
}
