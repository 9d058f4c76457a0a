// SPDX-License-Identifier: Apache-2.0
package io.clipsteer.explorer;

/**
 * What a word of the page means.
 *
 * @param key by which the page finds it
 * @param name as the page calls it
 */
public record Definition(String key, String name, String text) {}
