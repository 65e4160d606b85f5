//! End to end on real control planes: etcd, kube-apiserver, kube-controller-manager, KubeFed.

mod examples;
mod faults;
mod honest;
mod incident;
mod proof;
mod quiet;
mod tripwire;
mod variants;
