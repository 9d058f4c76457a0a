// SPDX-License-Identifier: Apache-2.0
/** HTML pages that load nothing: the report of a run, and its evaluation. */
@NullMarked
package io.clipsteer.cli.report;

import org.jspecify.annotations.NullMarked;
