// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.dist;

import java.util.List;

/**
 * An operating system and processor that an archive is for, and what its native files are called.
 */
enum Platform {
  LINUX_X86_64(
      "linux-x86_64",
      "linux-x86-64",
      "linux-x86_64",
      "linux_amd64",
      "lib%s.so",
      List.of("libopenblas_nolapack.so.0=libopenblas.so.0")),
  MACOSX_ARM64(
      "macosx-arm64",
      "darwin-aarch64",
      "osx-aarch64",
      "macos_arm64",
      "lib%s.dylib",
      List.of("libopenblas_nolapack.0.dylib=libopenblas.0.dylib")),
  WINDOWS_X86_64(
      "windows-x86_64",
      "win32-x86-64",
      "win-x86_64",
      "windows_amd64",
      "%s.dll",
      List.of("libopenblas_nolapack.dll=libopenblas.dll"));

  private final String label;
  private final String jna;
  private final String tokenizers;
  private final String duckdb;
  private final String library;
  private final List<String> links;

  Platform(
      String label,
      String jna,
      String tokenizers,
      String duckdb,
      String library,
      List<String> links) {
    this.label = label;
    this.jna = jna;
    this.tokenizers = tokenizers;
    this.duckdb = duckdb;
    this.library = library;
    this.links = links;
  }

  /** The platform of a label as {@code linux-x86_64}. */
  static Platform of(String label) {
    for (Platform one : values()) if (one.label.equals(label)) return one;
    throw new IllegalArgumentException(
        label + " is none of linux-x86_64, macosx-arm64, windows-x86_64");
  }

  /** The name that libtorch's jars have for it. */
  String label() {
    return label;
  }

  /** The folder of JNA's library in its jar. */
  String jna() {
    return jna;
  }

  /** The name that DJL's tokenizers have for it. */
  String tokenizers() {
    return tokenizers;
  }

  /** The ending of DuckDB's library in its jar. */
  String duckdb() {
    return duckdb;
  }

  /** Second names of libraries, as {@code new=existing}: links, or copies on Windows. */
  List<String> links() {
    return links;
  }

  /** The file of a library that Java names {@code name}. */
  String library(String name) {
    return library.formatted(name);
  }

  /** Whether its archive is a zip file without links and modes. */
  boolean isWindows() {
    return this == WINDOWS_X86_64;
  }
}
