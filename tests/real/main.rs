//! End to end on real control planes: etcd, kube-apiserver, kube-controller-manager, KubeFed.

mod examples;
mod incident;
mod proof;
mod tripwire;
mod variants;
