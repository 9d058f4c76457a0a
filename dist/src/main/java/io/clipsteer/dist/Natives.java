// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Properties;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * The native libraries, in one folder, where the dynamic linker finds each by its neighbour's name
 * and the JVM through {@code java.library.path}: nothing is unpacked at the first start.
 */
final class Natives {
  /**
   * OpenBLAS's LAPACK for Java, libtorch's sockets: nothing calls them. What Windows 10 has itself.
   */
  private static final Pattern UNUSED =
      Pattern.compile(
          "(lib)?jniopenblas(_full)?\\..*|(lib)?jnitorch_gloo\\..*|api-ms-.*|ucrtbase.*");

  private static final Pattern LIBRARY = Pattern.compile(".*\\.(so(\\.[0-9.]+)?|dylib|dll)");
  static final String TOKENIZERS = "native/lib/";

  private Natives() {}

  /** Whether a jar holds nothing but the natives of one platform. */
  static boolean isPlatformJar(Path jar) {
    return Arrays.stream(Platform.values())
        .anyMatch(one -> jar.toString().endsWith("-" + one.label() + ".jar"));
  }

  /** Unpacks libtorch and OpenBLAS from the platform's jars of a folder. */
  static void torch(Path jars, Platform platform, Path to) throws IOException {
    Files.createDirectories(to);
    for (Path jar : Archive.below(jars)) {
      if (!jar.toString().endsWith("-" + platform.label() + ".jar")) continue;
      try (ZipFile zip = new ZipFile(jar.toFile())) {
        for (ZipEntry entry : Collections.list(zip.entries())) {
          String name = entry.getName().substring(entry.getName().lastIndexOf('/') + 1);
          if (!LIBRARY.matcher(name).matches()) continue;
          if (!UNUSED.matcher(name).matches() || isKeptOnWindows(platform, name)) {
            write(zip, entry, to.resolve(name));
          }
        }
      }
    }
    for (String link : platform.links()) alias(platform, to, link);
    // Its classes are loaded on libtorch's behalf, but none of its own functions is called.
    if (!platform.isWindows()) {
      String blas = platform.library("jniopenblas");
      alias(platform, to, blas + "=" + platform.library("jniopenblas_nolapack"));
    }
  }

  /** Windows has no links that any user may make. */
  private static boolean isKeptOnWindows(Platform platform, String name) {
    return platform.isWindows() && name.equals("jniopenblas.dll");
  }

  private static void alias(Platform platform, Path folder, String link) throws IOException {
    int mark = link.indexOf('=');
    Path alias = folder.resolve(link.substring(0, mark));
    Path existing = Path.of(link.substring(mark + 1));
    if (!Files.exists(folder.resolve(existing))) throw new IOException("no " + existing);
    if (platform.isWindows()) Files.copy(folder.resolve(existing), alias);
    else Files.createSymbolicLink(alias, existing);
  }

  /**
   * Unpacks the tokenizers' library to the place where DJL would have unpacked it at its first use:
   * {@code tokenizers/VERSION-cpu-PLATFORM}.
   */
  static void tokenizers(ZipFile jar, Platform platform, Path to) throws IOException {
    Properties version = new Properties();
    try (var in = jar.getInputStream(jar.getEntry(TOKENIZERS + "tokenizers.properties"))) {
      version.load(in);
    }
    String name = version.getProperty("version") + "-cpu-" + platform.tokenizers();
    Path folder = to.resolve("tokenizers").resolve(name);
    Files.createDirectories(folder);
    String prefix = TOKENIZERS + platform.tokenizers() + "/cpu/";
    for (ZipEntry entry : Collections.list(jar.entries())) {
      if (!entry.getName().startsWith(prefix) || entry.isDirectory()) continue;
      write(jar, entry, folder.resolve(entry.getName().substring(prefix.length())));
    }
  }

  private static void write(ZipFile zip, ZipEntry entry, Path to) throws IOException {
    try (var in = zip.getInputStream(entry)) {
      Files.write(to, Elf.strip(in.readAllBytes()));
    }
  }
}
