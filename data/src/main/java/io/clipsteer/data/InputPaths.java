// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import java.net.URI;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.ServiceLoader;
import java.util.regex.Pattern;

/** Where input lies, as the command line says it: a path, or an address with a scheme. */
public final class InputPaths {
  /** Two letters at least: one is a drive. */
  private static final Pattern ADDRESS = Pattern.compile("([A-Za-z][A-Za-z0-9+.-]+):/.*");

  private InputPaths() {}

  /** Whether a text is an address with a scheme, {@code hdfs://…}, and no path. */
  public static boolean isAddress(String text) {
    return ADDRESS.matcher(text).matches();
  }

  /**
   * The path of a text; {@code file:} is this machine's own, other schemes those of {@link
   * RemotePaths}.
   *
   * @throws InputException when it is neither a path nor an address that can be read
   */
  public static Path of(String text) {
    if (text.isEmpty()) throw new InputException("a path", "is empty", "Name a file or folder");
    try {
      if (!isAddress(text)) return Path.of(text);
      if (text.toLowerCase(Locale.ROOT).startsWith("file:")) {
        return Path.of(URI.create(URI.create(text).toASCIIString()));
      }
    } catch (InvalidPathException e) {
      throw new InputException("'" + text + "'", "is no path: " + e.getReason(), "Correct it", e);
    } catch (IllegalArgumentException e) {
      throw new InputException(text, "is no address of a file", "Write file:///FOLDER", e);
    }
    return ServiceLoader.load(RemotePaths.class)
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    text,
                    "is read where --master is given, which alone loads Hadoop",
                    "Add --master (local[N] is this machine), or name a folder"))
        .path(text);
  }
}
