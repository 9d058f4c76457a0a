// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.cluster;

import io.clipsteer.data.InputException;
import io.clipsteer.data.RemotePaths;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.hadoop.conf.Configuration;

/** Addresses of Hadoop's file systems, with the settings of {@code HADOOP_CONF_DIR}. */
public final class HadoopPaths implements RemotePaths {
  /** Environment that decides what Hadoop reads and as whom; executors have the driver's. */
  static final List<String> ENVIRONMENT = List.of("HADOOP_CONF_DIR", "HADOOP_USER_NAME");

  private static final Map<URI, HadoopFileSystem> OPEN = new ConcurrentHashMap<>();

  /** Called by the service loader. */
  public HadoopPaths() {}

  @Override
  public Path path(String address) {
    try {
      URI whole = new org.apache.hadoop.fs.Path(address).toUri();
      URI root = new URI(whole.getScheme(), whole.getAuthority(), "/", null, null);
      var files = OPEN.computeIfAbsent(root, key -> new HadoopFileSystem(key, settings()));
      return files.getPath(whole.getPath().isEmpty() ? "/" : whole.getPath());
    } catch (java.net.URISyntaxException | IllegalArgumentException e) {
      throw new InputException(address, "is no address", "Write SCHEME://HOST:PORT/FOLDER", e);
    }
  }

  private static Configuration settings() {
    Configuration settings = new Configuration();
    String folder = System.getenv("HADOOP_CONF_DIR");
    if (folder == null || folder.isBlank()) return settings;
    for (String name : List.of("core-site.xml", "hdfs-site.xml")) {
      Path file = file(folder, name);
      if (Files.exists(file)) settings.addResource(new org.apache.hadoop.fs.Path(file.toUri()));
    }
    return settings;
  }

  private static Path file(String folder, String name) {
    try {
      return Path.of(folder, name);
    } catch (InvalidPathException e) {
      throw new InputException("HADOOP_CONF_DIR", "is no path: " + e.getReason(), "Correct it", e);
    }
  }
}
