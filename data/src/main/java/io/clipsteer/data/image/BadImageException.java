// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.data.image;

/**
 * What a codec throws; {@link ImageDecoder} adds the file's name and turns it into the one type.
 */
final class BadImageException extends Exception {
  private static final long serialVersionUID = 1L;

  private final String remedy;

  BadImageException(String what, String remedy) {
    // Thrown for every hostile file: the stack trace would cost more than the check.
    super(what, null, false, false);
    this.remedy = remedy;
  }

  String remedy() {
    return remedy;
  }

  static BadImageException truncated() {
    return new BadImageException("the image's data end early", "Copy or download it again");
  }

  static BadImageException broken(String what) {
    return new BadImageException(what, "The file is damaged; fetch it again or leave it out");
  }

  static BadImageException unsupported(String what) {
    return new BadImageException(what + " is not supported", "Save it as a plain JPEG or PNG");
  }
}
