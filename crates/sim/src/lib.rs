//! An in-memory API server with models of KubeFed, KubeSphere and the garbage collector, in virtual time.
