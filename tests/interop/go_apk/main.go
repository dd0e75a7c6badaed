// Writes an apk database into a folder as apko does, and prints what the library reads back from it.
package main

import (
	"archive/tar"
	"context"
	"fmt"
	"os"

	"github.com/chainguard-dev/go-apk/pkg/apk"
	"github.com/chainguard-dev/go-apk/pkg/fs"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func folders(names ...string) []tar.Header {
	headers := []tar.Header{}
	for _, name := range names {
		headers = append(headers, tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755})
	}
	return headers
}

func main() {
	ctx := context.Background()
	root, err := apk.New(apk.WithFS(fs.DirFS(os.Args[1])), apk.WithArch("x86_64"), apk.WithIgnoreMknodErrors(true))
	check(err)
	check(root.InitDB(ctx))
	check(root.SetRepositories(ctx, []string{"https://registry.invalid/alpine/v3.19/main"}))
	info := "usr/lib/python3.11/site-packages/six-1.16.0-py3.11.egg-info"
	check(root.AddInstalledPackage(&apk.Package{
		Name: "libcrypto3", Version: "3.1.4-r5", Arch: "x86_64", Origin: "openssl", Maintainer: "One <one@example.org>",
		Description: "V:9.9 is no version", License: "Apache-2.0", Provides: []string{"so:libcrypto.so.3=3"},
	}, []tar.Header{{Name: "lib/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "lib/libcrypto.so.3", Mode: 0o755}}))
	check(root.AddInstalledPackage(&apk.Package{
		Name: "py3-six", Version: "1.16.0-r8", Arch: "noarch", Origin: "py3-six",
	}, append(folders("usr/", "usr/lib/", "usr/lib/python3.11/", "usr/lib/python3.11/site-packages/", info+"/"),
		tar.Header{Name: info + "/PKG-INFO", Mode: 0o644})))
	installed, err := root.GetInstalled()
	check(err)
	for _, one := range installed {
		fmt.Println(one.Name, one.Version, one.Arch, one.Origin)
	}
}
