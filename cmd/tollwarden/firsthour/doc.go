// Package firsthour is what a person does in the first hour after a break-in, filled in with
// what is known of this PBX: tollwarden first-hour.
package firsthour
