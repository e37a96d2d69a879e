package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// runJava is pgjdbc, its program compiled as it starts.
func runJava(t *testing.T, s *stage, b brief) map[string]answer {
	if _, err := exec.LookPath("javac"); err != nil {
		t.Fatal("a JDK is missing: make setup (or apt-get install default-jdk-headless)")
	}
	jar := os.Getenv("PGJDBC")
	if jar == "" {
		jar = "/usr/share/java/postgresql.jar"
	}
	if _, err := os.Stat(jar); err != nil {
		t.Fatal("pgjdbc is missing: make setup (or apt-get install libpostgresql-jdbc-java, or name its jar in PGJDBC)")
	}
	return converse(t, s, b, command(t, "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Djdk.net.hosts.file="+b.OtherHosts, "-Dfile.encoding=UTF-8",
		"-cp", jar, filepath.Join("java", "Client.java")))
}
