// SPDX-License-Identifier: Apache-2.0
/**
 * JSON from outside: configurations whose every field is read, known to be harmless, or refused.
 */
@NullMarked
package io.clipsteer.data.json;

import org.jspecify.annotations.NullMarked;
