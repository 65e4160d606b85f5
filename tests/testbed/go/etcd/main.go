// Command etcd is the upstream server. Its own main package lives in a module
// with relative replacements, which cannot be built as a dependency.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
