// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.Locale;
import tools.jackson.core.JacksonException;
import tools.jackson.core.exc.StreamReadException;

/** Why a file could not be read or written, in words for people: no class names, no paths. */
public final class Reasons {
  private Reasons() {}

  /** Of a disk that refuses. */
  public static String of(IOException e) {
    return switch (e) {
      case NoSuchFileException none -> "there is no such file or folder";
      case AccessDeniedException denied -> "permission is denied";
      case FileAlreadyExistsException there -> "something of that name is in the way";
      case NotDirectoryException file -> "it is no folder";
      case DirectoryNotEmptyException full -> "the folder is not empty";
      case FileSystemException other when other.getReason() != null -> lower(other.getReason());
      case FileSystemException other -> "the file system refuses";
      case CharacterCodingException text -> "it is no UTF-8 text";
      case EOFException end -> "it is cut off";
      default -> e.getMessage() == null ? "the disk refuses" : lower(e.getMessage());
    };
  }

  /** The same, passed on by a stream or a parallel loop. */
  public static String of(UncheckedIOException e) {
    IOException cause = e.getCause();
    return cause == null ? "the disk refuses" : of(cause);
  }

  /** Of text that is no JSON, or not what was expected. */
  public static String of(JacksonException e) {
    // The library has several classes for an end that comes too early, but one word.
    if (String.valueOf(e.getOriginalMessage()).contains("end-of-input")) return "it is cut off";
    if (e instanceof StreamReadException) {
      var at = e.getLocation();
      if (at == null || at.getLineNr() < 1) return "it is no JSON";
      if (String.valueOf(e.getOriginalMessage()).startsWith("Duplicate")) {
        return "it has a key twice, at line " + at.getLineNr();
      }
      return "it is no JSON at line " + at.getLineNr() + ", column " + at.getColumnNr();
    }
    StringBuilder field = new StringBuilder();
    for (JacksonException.Reference step : e.getPath()) {
      if (step.getPropertyName() == null) field.append('[').append(step.getIndex()).append(']');
      else field.append(field.isEmpty() ? "" : ".").append(step.getPropertyName());
    }
    return field.isEmpty()
        ? "it holds something else"
        : "its \"" + field + "\" is not what belongs there";
  }

  /** Reasons of the system begin like sentences; ours stand inside one. */
  private static String lower(String text) {
    String line = text.lines().findFirst().orElse("");
    boolean word = line.length() > 1 && Character.isLowerCase(line.charAt(1));
    return word ? line.substring(0, 1).toLowerCase(Locale.ROOT) + line.substring(1) : line;
  }
}
