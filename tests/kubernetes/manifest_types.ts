// What a manifest of ours may be. The types are made from the Kubernetes API's own description of itself.
import type {IDaemonSet} from 'kubernetes-models/apps/v1/DaemonSet';
import type {INetworkPolicy} from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type {IConfigMap} from 'kubernetes-models/v1/ConfigMap';
import type {INamespace} from 'kubernetes-models/v1/Namespace';
import type {IService} from 'kubernetes-models/v1/Service';
import type {IServiceAccount} from 'kubernetes-models/v1/ServiceAccount';

// Of kustomize, as far as ours goes.
interface Kustomization {
    apiVersion: 'kustomize.config.k8s.io/v1beta1';
    kind: 'Kustomization';
    resources: string[];
}

export interface Manifests {
    DaemonSet: IDaemonSet;
    NetworkPolicy: INetworkPolicy;
    ConfigMap: IConfigMap;
    Namespace: INamespace;
    Service: IService;
    ServiceAccount: IServiceAccount;
    Kustomization: Kustomization;
}
