// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Images in HDFS give the bytes of the same images on a disk. Hadoop's own small cluster, a name
 * node and a data node in this process, is on the class path with the profile {@code hdfs}.
 */
@Tag("slow")
final class ClusterHdfsTest {
  private static final String MINI = "org.apache.hadoop.hdfs.MiniDFSCluster";

  @TempDir private static Path temp;

  private static Object cluster = "";
  private static URI root = URI.create("/");

  @BeforeAll
  static void start() throws Exception {
    Class<?> builder;
    try {
      builder = Class.forName(MINI + "$Builder");
    } catch (ClassNotFoundException e) {
      assumeTrue(false, "skipped: Hadoop's small cluster is on the class path with -Phdfs");
      return;
    }
    Configuration settings = new Configuration();
    settings.set("hdfs.minidfs.basedir", temp.resolve("hdfs").toString());
    Object made = builder.getConstructor(Configuration.class).newInstance(settings);
    cluster = builder.getMethod("build").invoke(made);
    call("waitActive");
    root = (URI) call("getURI");
    ClusterFixture.images(temp.resolve("images"), List.of("bird", "cat", "dog"), 40);
    List<String> names = ClusterFixture.files(temp.resolve("images"));
    Path shards = Files.createDirectory(temp.resolve("shards"));
    for (int i = 0; i < 3; i++) {
      Path shard = shards.resolve("shard-%06d.tar".formatted(i));
      ClusterFixture.tar(temp.resolve("images"), names.subList(i * 40, i * 40 + 40), shard);
    }
    copy("images");
    copy("shards");
  }

  private static Object call(String method) throws ReflectiveOperationException {
    return cluster.getClass().getMethod(method).invoke(cluster);
  }

  private static void copy(String folder) throws IOException {
    FileSystem files = FileSystem.get(root, new Configuration());
    files.copyFromLocalFile(
        new org.apache.hadoop.fs.Path(temp.resolve(folder).toUri()),
        new org.apache.hadoop.fs.Path("/" + folder));
  }

  @AfterAll
  static void stop() throws ReflectiveOperationException {
    if (!cluster.equals("")) call("shutdown");
  }

  private static ClusterFixture.Ran harvest(String images, Path out, String... more) {
    String line =
        "harvest --model %s --images %s --layers 0,2 --image-batch 4 --block-size 12 --threads 1"
            + " --out %s";
    return ClusterFixture.run(line.formatted(ClusterFixture.CLIP, images, out), more);
  }

  @Test
  void aFolderByTwoProcesses() throws IOException {
    same("images");
  }

  @Test
  void shardsByTwoProcesses() throws IOException {
    same("shards");
  }

  private static void same(String name) throws IOException {
    Path here = temp.resolve(name + "-here");
    assertEquals(0, harvest(temp.resolve(name).toString(), here).code());
    Path there = temp.resolve(name + "-there");
    String address = root + "/" + name;
    var ran = harvest(address, there, "--master", ClusterFixture.EXECUTORS);
    assertEquals(0, ran.code(), ran.err());
    assertTrue(ran.err().contains("bird/p07.png"), ran.err());
    ClusterFixture.assertSame(here, there);
    String format = Files.readString(there.resolve("store.json"));
    assertTrue(format.contains(address), format);
  }

  /** What HDFS cannot give back is no bad image. */
  @Test
  void lostDataEndsTheCommand() throws Exception {
    FileSystem files = FileSystem.get(root, new Configuration());
    var only = new org.apache.hadoop.fs.Path("/lost/p.png");
    files.copyFromLocalFile(
        new org.apache.hadoop.fs.Path(temp.resolve("images/bird/p00.png").toUri()), only);
    Class<?> fs = files.getClass();
    assertEquals("org.apache.hadoop.hdfs.DistributedFileSystem", fs.getName());
    Object block =
        Class.forName("org.apache.hadoop.hdfs.DFSTestUtil")
            .getMethod("getFirstBlock", FileSystem.class, only.getClass())
            .invoke(null, files, only);
    cluster
        .getClass()
        .getMethod("corruptBlockOnDataNodes", block.getClass())
        .invoke(cluster, block);
    Path out = temp.resolve("lost");
    var ran = harvest(root + "/lost", out, "--master", "local[1,1]");
    assertEquals(1, ran.code(), ran.out());
    String last = ran.err().strip().lines().reduce("", (a, b) -> b);
    assertTrue(last.startsWith("clipsteer: ") && last.contains("CRC32C not matched"), ran.err());
    assertFalse(Files.exists(out.resolve("complete.json")));
  }
}
